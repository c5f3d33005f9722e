// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_gain.h"
#include "core/fusion/method.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <stdexcept>

#include "core/device/device.h"
#include "core/fusion/fuser.h"
#include "core/fusion/information_gain.h"
#include "core/image/pad.h"
#include "core/tools/console.h"
#include "core/tools/reproduce_data.h"
#include "core/tools/table.h"

namespace digfusion::tools {
namespace {

constexpr const char* region_names[] = {"picture", "A", "B", "C"};
constexpr std::size_t region_count = std::size(region_names);

/// Luma on 0..255 as [1,1,H,W] on -1..1.
at::Tensor as_tensor(const cv::Mat& luma) {
  return at::from_blob(luma.data, {1, 1, luma.rows, luma.cols}, at::kDouble).to(at::kFloat) / 127.5f - 1;
}

cv::Mat as_picture(const at::Tensor& map) {
  const at::Tensor numbers = map.to(at::kCPU, at::kDouble).contiguous();
  return cv::Mat(static_cast<int>(map.size(0)), static_cast<int>(map.size(1)), CV_64F,
                 numbers.data_ptr<double>())
      .clone();
}

/// Mean of the square whose upper left corner each pixel is; as large as there are such corners.
cv::Mat window_means(const cv::Mat& map, int side) {
  cv::Mat means;
  cv::boxFilter(map, means, CV_64F, {side, side}, {0, 0}, true, cv::BORDER_REPLICATE);
  return means(cv::Rect(0, 0, map.cols - side + 1, map.rows - side + 1)).clone();
}

/// The corner of the largest score, and no region near it from then on.
Region take_largest(const cv::Mat& scores, cv::Mat& taken, int side) {
  cv::Point corner;
  cv::minMaxLoc(scores, nullptr, nullptr, nullptr, &corner, taken == 0);
  const cv::Rect near(corner.x - side + 1, corner.y - side + 1, 2 * side - 1, 2 * side - 1);
  taken(near & cv::Rect(0, 0, taken.cols, taken.rows)).setTo(1);
  return {corner.x, corner.y, side, side};
}

/// Index of the first level with half the timesteps or fewer still to come. What is gained before is
/// brightness rather than structure, and nothing to choose regions by.
std::int64_t structure_level(const std::vector<int>& timesteps, int all) {
  std::size_t level = 0;
  while (level + 1 < timesteps.size() && timesteps[level] > all / 2) ++level;
  return static_cast<std::int64_t>(level);
}

void check_regions(const std::vector<Region>& regions, const cv::Mat& picture, const std::string& stem) {
  for (const Region& r : regions)
    if (r.x + r.width > picture.cols || r.y + r.height > picture.rows)
      throw std::runtime_error("region " + std::to_string(r.x) + "," + std::to_string(r.y) + "," +
                               std::to_string(r.width) + "," + std::to_string(r.height) + " isn't within \"" +
                               stem + "\", which is " + size_text(picture));
}

/// Both sources side by side with the regions' outlines and letters.
cv::Mat regions_picture(const std::vector<cv::Mat>& lumas, const std::vector<Region>& regions) {
  cv::Mat both, colour;
  cv::hconcat(lumas[0], lumas[1], both);
  both.convertTo(both, CV_8U);
  cv::cvtColor(both, colour, cv::COLOR_GRAY2BGR);
  const cv::Scalar outline(0, 230, 255), dark(0, 0, 0);
  for (std::size_t i = 0; i < regions.size(); ++i)
    for (int shift : {0, lumas[0].cols}) {
      const cv::Rect box(regions[i].x + shift, regions[i].y, regions[i].width, regions[i].height);
      cv::rectangle(colour, box, outline, 2);
      const cv::Point at(box.x + 5, box.y + 20);
      cv::putText(colour, region_names[i + 1], at, cv::FONT_HERSHEY_SIMPLEX, .6, dark, 4, cv::LINE_AA);
      cv::putText(colour, region_names[i + 1], at, cv::FONT_HERSHEY_SIMPLEX, .6, outline, 2, cv::LINE_AA);
    }
  return colour;
}

/// What has been summed over the pairs: [region][modality][step].
struct Figure5 {
  std::vector<int> timesteps;  ///< of each step, and 0 at the end
  std::vector<std::string> modalities;
  std::vector<std::vector<std::vector<Moments>>> moments;
  std::size_t pairs = 0;

  void add(const at::Tensor& cumulative, const std::vector<Region>& regions) {
    if (moments.empty())
      moments.assign(region_count, std::vector(modalities.size(), std::vector<Moments>(timesteps.size())));
    for (std::size_t r = 0; r < region_count; ++r)
      for (std::size_t k = 0; k < modalities.size(); ++k)
        for (std::size_t i = 0; i < timesteps.size(); ++i) {
          const Moments m =
              moments_of(cumulative[static_cast<std::int64_t>(i)][static_cast<std::int64_t>(k)], regions[r]);
          moments[r][k][i].mean += m.mean;
          moments[r][k][i].variance += m.variance;
        }
    ++pairs;
  }
  double mean(std::size_t r, std::size_t k, std::size_t i) const {
    return moments[r][k][i].mean / double(pairs);
  }
  double variance(std::size_t r, std::size_t k, std::size_t i) const {
    return moments[r][k][i].variance / double(pairs);
  }
};

std::string to_csv(const Figure5& figure) {
  std::vector<TableRow> rows = {{"region", "modality", "step", "t", "mean", "variance"}};
  for (std::size_t r = 0; r < region_count; ++r)
    for (std::size_t k = 0; k < figure.modalities.size(); ++k)
      for (std::size_t i = 0; i < figure.timesteps.size(); ++i)
        rows.push_back({region_names[r], figure.modalities[k], std::to_string(i),
                        std::to_string(figure.timesteps[i]), number_text(figure.mean(r, k, i), 6),
                        number_text(figure.variance(r, k, i), 6)});
  return csv_table(rows);
}

Plot to_plot(const Figure5& figure, const std::string& title) {
  Plot plot{title, {}, static_cast<int>(region_count)};
  for (const bool variance : {false, true})
    for (std::size_t r = 0; r < region_count; ++r) {
      Panel panel;
      panel.title = std::string(variance ? "variance" : "mean") + ", " +
                    (r == 0 ? "whole picture" : std::string("region ") + region_names[r]);
      panel.x_label = "timestep t";
      panel.y_label = r > 0 ? "" : variance ? "variance over the region" : "cumulative information gain";
      panel.falling_x = true;
      for (std::size_t k = 0; k < figure.modalities.size(); ++k) {
        Curve curve{figure.modalities[k], {}, {}, {}, {}, static_cast<int>(k)};
        for (std::size_t i = 0; i < figure.timesteps.size(); ++i) {
          curve.x.push_back(figure.timesteps[i]);
          curve.y.push_back(variance ? figure.variance(r, k, i) : figure.mean(r, k, i));
        }
        panel.curves.push_back(std::move(curve));
      }
      plot.panels.push_back(std::move(panel));
    }
  return plot;
}

std::string summary(const Figure5& figure) {
  const std::size_t last = figure.timesteps.size() - 1;
  std::vector<TableRow> rows = {
      {"region", "modality", "gain in all", "variance at the end", "t where half is gained"}};
  for (std::size_t r = 0; r < region_count; ++r)
    for (std::size_t k = 0; k < figure.modalities.size(); ++k) {
      std::size_t half = 0;
      while (half < last && figure.mean(r, k, half) < figure.mean(r, k, last) / 2) ++half;
      rows.push_back({region_names[r], figure.modalities[k], number_text(figure.mean(r, k, last), 4),
                      number_text(figure.variance(r, k, last), 4), std::to_string(figure.timesteps[half])});
    }
  return markdown_table(rows);
}

}  // namespace

at::Tensor cumulative_gain(const at::Tensor& distances) {
  const at::Tensor start = distances.narrow(0, 0, 1);
  return (start - at::cat({distances, at::zeros_like(start)})).squeeze(2);
}

Moments moments_of(const at::Tensor& map, const Region& region) {
  const at::Tensor values =
      map.narrow(0, region.y, region.height).narrow(1, region.x, region.width).to(at::kDouble);
  const double mean = values.mean().item<double>();
  return {mean, (values - mean).square().mean().item<double>()};
}

std::array<Region, 3> choose_regions(const cv::Mat& first, const cv::Mat& second) {
  const int side = std::max(1, std::min(first.rows, first.cols) / 4);
  const cv::Mat a = window_means(first, side), b = window_means(second, side);
  cv::Mat taken = cv::Mat::zeros(a.size(), CV_8U);
  // In this order: braces are evaluated from left to right.
  return {take_largest(a - b, taken, side), take_largest(b - a, taken, side),
          take_largest(-(a + b), taken, side)};
}

void reproduce_figure5(const ReproduceOptions& options) {
  const Parameters& p = options.parameters;
  if (p.distance == Distance::none)
    throw std::runtime_error(
        "figure5 is about information gain, which distance=none has not; give another distance");
  const Task task = Task::visible_infrared;
  const std::vector<Dataset> datasets = find_datasets(options.data, {&task, 1}, options.limit);
  make_output_folder(options.output);
  const c10::InferenceMode inference;
  use_threads(p.threads);
  const DeviceChoice choice = choose_device(p.device.view(), p.precision, [](const std::string&) {});
  const auto denoiser = denoiser_of(p, choice.device, choice.network);
  Evaluator evaluator(*denoiser);
  const std::vector<int> timesteps = sampling_timesteps(denoiser->schedule().timesteps(), p.steps, p.spacing);

  Figure5 figure;
  figure.timesteps = timesteps;
  figure.timesteps.push_back(0);
  figure.modalities = {"visible", "infrared"};
  std::size_t total = 0;
  for (const Dataset& dataset : datasets) total += dataset.pairs.size();
  std::string chosen;
  Progress progress("pairs", total, !options.quiet);
  for (const Dataset& dataset : datasets)
    for (const PictureSet& pair : dataset.pairs) {
      const std::vector<cv::Mat> lumas = read_pair(pair, options.size);
      const at::Tensor sources =
          pad_to_multiple(at::cat({as_tensor(lumas[0]), as_tensor(lumas[1])}), denoiser->multiple())
              .to(choice.device);
      const at::Tensor distance = estimate_levels(evaluator, sources, timesteps, p.distance, p.draws,
                                                  seeded_noise(p.seed, choice.device))
                                      .distance.narrow(3, 0, lumas[0].rows)
                                      .narrow(4, 0, lumas[0].cols);
      const at::Tensor cumulative = cumulative_gain(distance);
      std::vector<Region> regions = options.regions;
      if (regions.empty()) {
        const at::Tensor rest = distance[structure_level(timesteps, denoiser->schedule().timesteps())];
        const auto three = choose_regions(as_picture(rest[0][0]), as_picture(rest[1][0]));
        regions.assign(three.begin(), three.end());
      }
      check_regions(regions, lumas[0], pair.stem);
      for (std::size_t i = 0; i < regions.size(); ++i)
        chosen += "- " + dataset.name + "/" + pair.stem + " " + region_names[i + 1] + ": " +
                  std::to_string(regions[i].x) + "," + std::to_string(regions[i].y) + "," +
                  std::to_string(regions[i].width) + "," + std::to_string(regions[i].height) + "\n";
      if (figure.pairs == 0)
        write_picture(options.output / "figure5_regions.png", regions_picture(lumas, regions));
      regions.insert(regions.begin(), {0, 0, lumas[0].cols, lumas[0].rows});
      figure.add(cumulative, regions);
      progress.show(figure.pairs);
    }
  progress.clear();

  write_report(options.output, "figure5.csv", to_csv(figure));
  std::string page = report_head("Figure 5: cumulative information gain", options,
                                 choice.device.str() + " in " + name_of(choice.network));
  page += "Means over " + std::to_string(figure.pairs) +
          " pairs of the mean and the variance over a region's pixels of the information gain (8) with S = "
          "1, added up "
          "from the first step on.\nPictures are on -1..1.\n\n" +
          summary(figure) +
          "\n![curves](figure5.png)\n\n![regions of the first pair](figure5_regions.png)\n\n## Regions\n\n" +
          (options.regions.empty() ? "Chosen by the gain of the lower half of the timesteps: squares a "
                                     "quarter of the shorter side wide, A where "
                                     "the visible picture gains most over "
                                     "the infrared one, B where the\ninfrared one gains most over the "
                                     "visible one, C where both gain least. "
                                     "x, y, width, height:\n\n"
                                   : "As given with --region. x, y, width, height:\n\n") +
          chosen;
  write_report(options.output, "figure5.md", page);
  draw(to_plot(figure, "Cumulative information gain, mean of " + std::to_string(figure.pairs) + " pairs"),
       options.output, "figure5.png");
}

}  // namespace digfusion::tools
