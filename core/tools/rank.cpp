// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/rank.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <opencv2/core.hpp>
#include <opencv2/photo.hpp>
#include <sstream>
#include <stdexcept>

#include "core/metrics/baselines.h"
#include "core/metrics/hot_target.h"
#include "core/metrics/structure.h"
#include "core/tools/console.h"
#include "core/tools/luma_fuser.h"
#include "core/tools/output_file.h"
#include "core/tools/pictures.h"
#include "core/tools/published.h"
#include "core/tools/rank_page.h"
#include "core/tools/reproduce_data.h"
#include "core/tools/reproduce_report.h"
#include "core/tools/reproduce_statistics.h"

namespace digfusion::tools {
namespace {

/// White noise and column noise, rounded and clipped as a camera's picture is; the same for the same seed.
cv::Mat with_noise(const cv::Mat& clean, double white, double column, std::uint64_t seed) {
  cv::RNG random(seed);
  cv::Mat noisy = clean.clone(), noise(clean.size(), CV_64F), offsets(1, clean.cols, CV_64F), rounded;
  random.fill(noise, cv::RNG::NORMAL, 0, 1);
  random.fill(offsets, cv::RNG::NORMAL, 0, 1);
  noisy += white * noise + column * cv::repeat(offsets, clean.rows, 1);
  noisy.convertTo(rounded, CV_8U);
  rounded.convertTo(noisy, CV_64F);
  return noisy;
}

cv::Mat denoised(const cv::Mat& noisy, double sigma) {
  if (sigma == 0) return noisy;
  cv::Mat bytes, result;
  noisy.convertTo(bytes, CV_8U);
  cv::fastNlMeansDenoising(bytes, result, static_cast<float>(sigma), 7, 21);
  result.convertTo(result, CV_64F);
  return result;
}

/// One picture of one method.
struct Scored {
  std::string picture;
  metrics::Figures figures;
  std::optional<double> hot_target, clean_psnr, clean_ssim;
};

struct ScoredMethod {
  std::string name;
  RankRow::Kind kind;
  std::vector<Scored> pictures;
};

Scored scored(const std::string& picture, const cv::Mat& fused, const std::vector<cv::Mat>& clean) {
  return {picture,
          metrics::measure(fused, clean[0], clean[1]),
          metrics::hot_target_contrast(fused, clean[1]),
          {},
          {}};
}

class Ranking {
 public:
  explicit Ranking(const RankOptions& options) : options_(options) {
    for (const RankMethod& method : options.methods) {
      fusers_.push_back(std::make_unique<LumaFuser>(method.name, method.parameters));
      scored_.push_back({method.name, RankRow::Kind::ours, {}});
    }
    for (const metrics::Baseline& baseline : metrics::baselines)
      scored_.push_back({baseline.name, RankRow::Kind::baseline, {}});
  }

  const std::vector<ScoredMethod>& run(const Dataset& data) {
    Progress progress("pairs", data.pairs.size(), !options_.quiet);
    for (std::size_t i = 0; i < data.pairs.size(); ++i) {
      try {
        run_pair(data.pairs[i], i);
      } catch (const std::invalid_argument& error) {
        throw std::runtime_error("can't score \"" + data.pairs[i].stem + "\": " + error.what());
      }
      progress.show(i + 1);
    }
    return scored_;
  }
  std::string computed_on() const { return fusers_.front()->computed_on(); }

 private:
  void run_pair(const PictureSet& pair, std::size_t number) {
    const std::vector<cv::Mat> clean = read_pair(pair, 0);
    std::vector<cv::Mat> given = clean, smooth = clean;
    if (const auto& noise = options_.noise) {
      given = {with_noise(clean[0], noise->visible, 0, 2 * number + 1),
               with_noise(clean[1], noise->infrared, noise->column, 2 * number + 2)};
      smooth = {denoised(given[0], noise->visible),
                denoised(given[1], std::hypot(noise->infrared, noise->column))};
    }
    for (std::size_t m = 0; m < fusers_.size(); ++m) {
      const cv::Mat fused = fusers_[m]->fuse(options_.methods[m].denoise_first ? smooth : given);
      const std::filesystem::path folder =
          options_.output / "pictures" / folder_name(options_.methods[m].name);
      make_output_folder(folder);
      write_picture(folder / (pair.stem + ".png"), fused);
      Scored& entry = scored_[m].pictures.emplace_back(scored(pair.stem, luma(fused), clean));
      if (!options_.noise) continue;
      const cv::Mat own = luma(fusers_[m]->fuse(clean));
      entry.clean_psnr = cv::PSNR(luma(fused), own);
      entry.clean_ssim = metrics::structural_similarity(luma(fused), own);
    }
    for (std::size_t b = 0; b < metrics::baselines.size(); ++b)
      scored_[fusers_.size() + b].pictures.push_back(
          scored(pair.stem, metrics::baselines[b].fuse(given[0], given[1]), clean));
  }

  const RankOptions& options_;
  std::vector<std::unique_ptr<LumaFuser>> fusers_;
  std::vector<ScoredMethod> scored_;
};

bool belongs(std::size_t number, Part part) {
  return part == Part::all || (number % 3 == 0) == (part == Part::tuned);
}

/// The mean of what is there.
std::optional<double> mean_of(const std::vector<Scored>& pictures, Part part,
                              std::optional<double> Scored::*value) {
  double sum = 0;
  int count = 0;
  for (std::size_t i = 0; i < pictures.size(); ++i)
    if (belongs(i, part) && pictures[i].*value) {
      sum += *(pictures[i].*value);
      ++count;
    }
  return count ? std::optional(sum / count) : std::nullopt;
}

RankRow mean_row(const ScoredMethod& method, Part part) {
  RankRow row{method.name, method.kind, {}, {}, {}, {}};
  std::size_t count = 0;
  for (std::size_t i = 0; i < method.pictures.size(); ++i) count += belongs(i, part);
  for (std::size_t i = 0; i < method.pictures.size(); ++i)
    if (belongs(i, part))
      for (const metrics::Column& column : metrics::columns)
        row.figures.*column.value += method.pictures[i].figures.*column.value / static_cast<double>(count);
  row.hot_target = mean_of(method.pictures, part, &Scored::hot_target);
  row.clean_psnr = mean_of(method.pictures, part, &Scored::clean_psnr);
  row.clean_ssim = mean_of(method.pictures, part, &Scored::clean_ssim);
  return row;
}

RankTable table_of(const std::vector<ScoredMethod>& methods, const std::vector<PublishedMethod>& published,
                   const Dataset& data, Part part) {
  std::vector<std::string> pictures;
  for (std::size_t i = 0; i < data.pairs.size(); ++i)
    if (belongs(i, part)) pictures.push_back(data.pairs[i].stem);
  RankTable table{part, pictures.size(), {}};
  for (const ScoredMethod& method : methods) {
    const bool is_published = std::any_of(published.begin(), published.end(),
                                          [&](const PublishedMethod& p) { return p.name == method.name; });
    if (!is_published) table.rows.push_back(mean_row(method, part));
  }
  for (const PublishedMethod& method : published)
    table.rows.push_back({method.name, RankRow::Kind::published, mean_figures(method, pictures), {}, {}, {}});
  add_ranks(table.rows);
  return table;
}

std::string pictures_csv(const std::vector<ScoredMethod>& methods) {
  std::vector<ScoreRow> rows;
  for (const ScoredMethod& method : methods)
    for (const Scored& picture : method.pictures)
      rows.push_back({method.name, picture.picture, picture.figures});
  return to_csv(rows);
}

}  // namespace

SourceNoise parse_noise(const std::string& text) {
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  std::vector<double> values;
  bool good = true;
  for (std::string field; good && std::getline(stream, field, ',');) {
    std::istringstream number(field);
    number.imbue(std::locale::classic());
    double value = -1;
    good = number >> value && number.eof() && value >= 0 && value <= 255;
    values.push_back(value);
  }
  if (!good || values.size() < 2 || values.size() > 3 || text.ends_with(','))
    throw std::runtime_error("--noise: \"" + text +
                             "\" is no noise; give VISIBLE,INFRARED or VISIBLE,INFRARED,COLUMN: standard "
                             "deviations of 0..255");
  return {values[0], values[1], values.size() == 3 ? values[2] : 0};
}

std::vector<RankMethod> rank_methods(const Parameters& base) {
  std::vector<RankMethod> methods;
  const auto add = [&](const std::string& name, const Parameters& parameters) {
    const bool is_there = std::any_of(methods.begin(), methods.end(), [&](const RankMethod& known) {
      Parameters same = known.parameters;
      same.preset = parameters.preset;
      return same == parameters;
    });
    if (!is_there) methods.push_back({name, parameters});
  };
  for (const char* parameter : {"preset", "method"})
    for (const Choice& choice : find_parameter(parameter)->choices) {
      Parameters parameters = base;
      if (const auto problem = set(parameters, parameter, choice.nick)) throw std::runtime_error(*problem);
      add(choice.nick, parameters);
    }
  return methods;
}

void add_ranks(std::vector<RankRow>& rows) {
  // The rank of row `i` among the others and, of ours, itself or the first alone.
  const auto first =
      std::find_if(rows.begin(), rows.end(), [](const RankRow& r) { return r.kind == RankRow::Kind::ours; });
  const auto among = [&](std::size_t i) {
    const bool is_ours = rows[i].kind == RankRow::Kind::ours;
    std::vector<metrics::Figures> figures;
    std::size_t place = 0;
    for (std::size_t j = 0; j < rows.size(); ++j) {
      const bool counts = rows[j].kind != RankRow::Kind::ours ||
                          (is_ours ? j == i : rows.begin() + std::ptrdiff_t(j) == first);
      if (!counts) continue;
      if (j == i) place = figures.size();
      figures.push_back(rows[j].figures);
    }
    return figure_ranks(figures)[place];
  };
  std::vector<double> ranks;
  for (std::size_t i = 0; i < rows.size(); ++i) ranks.push_back(among(i));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].rank = ranks[i];
  std::stable_sort(rows.begin(), rows.end(),
                   [](const RankRow& a, const RankRow& b) { return a.rank < b.rank; });
}

std::vector<RankTable> rank(const RankOptions& options) {
  const Task wanted[] = {Task::visible_infrared};
  const std::vector<Dataset> found = find_datasets(options.data, wanted, options.limit);
  if (found.size() != 1)
    throw std::runtime_error(options.data.string() + " holds " + std::to_string(found.size()) +
                             " folders of pairs; give one of them");
  const Dataset& data = found.front();
  const std::vector<PublishedMethod> published =
      options.published.empty() ? std::vector<PublishedMethod>() : read_published(options.published);
  make_output_folder(options.output);

  Ranking ranking(options);
  const std::vector<ScoredMethod>& methods = ranking.run(data);
  const bool has_parts = data.pairs.size() >= 3;
  // Published means can't be taken apart.
  const bool only_means = !published.empty() && published.front().figures.contains("mean");
  std::vector<RankTable> tables;
  for (const Part part : {Part::all, Part::tuned, Part::unseen})
    if (part == Part::all || (has_parts && !only_means))
      tables.push_back(table_of(methods, published, data, part));
  write_report(options.output, "rank_pictures.csv", pictures_csv(methods));
  write_rank_pages(options, data, ranking.computed_on(), tables);
  return tables;
}

}  // namespace digfusion::tools
