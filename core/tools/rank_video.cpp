// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/rank_video.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <opencv2/videoio.hpp>
#include <stdexcept>
#include <system_error>

#include "core/metrics/baselines.h"
#include "core/tools/console.h"
#include "core/tools/luma_fuser.h"
#include "core/tools/pictures.h"
#include "core/tools/reproduce_report.h"
#include "core/tools/table.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

/// One clip's frames, visible and infrared, in step.
class Clip {
 public:
  virtual ~Clip() = default;
  virtual std::string name() const = 0;
  /// Lumas, or nothing at the end of the shorter stream.
  virtual std::vector<cv::Mat> next() = 0;
};

class PictureClip : public Clip {
 public:
  PictureClip(std::string name, std::vector<PictureSet> frames)
      : name_(std::move(name)), frames_(std::move(frames)) {}
  std::string name() const override { return name_; }
  std::vector<cv::Mat> next() override {
    if (next_ == frames_.size()) return {};
    std::vector<cv::Mat> lumas;
    for (const fs::path& file : frames_[next_].files) lumas.push_back(luma(read_picture(file)));
    ++next_;
    return lumas;
  }

 private:
  std::string name_;
  std::vector<PictureSet> frames_;
  std::size_t next_ = 0;
};

class VideoClip : public Clip {
 public:
  VideoClip(std::string name, const std::array<fs::path, 2>& files) : name_(std::move(name)) {
    for (std::size_t i = 0; i < files.size(); ++i)
      if (!streams_[i].open(files[i].string(), cv::CAP_FFMPEG))
        throw std::runtime_error("can't decode the video " + files[i].string());
  }
  std::string name() const override { return name_; }
  std::vector<cv::Mat> next() override {
    std::vector<cv::Mat> lumas;
    for (cv::VideoCapture& stream : streams_) {
      cv::Mat frame;
      if (!stream.read(frame)) return {};
      lumas.push_back(luma(frame));
    }
    if (lumas[0].size() != lumas[1].size())
      throw std::runtime_error("the clips \"" + name_ + "\" differ in size: visible " + size_text(lumas[0]) +
                               ", infrared " + size_text(lumas[1]));
    return lumas;
  }

 private:
  std::string name_;
  std::array<cv::VideoCapture, 2> streams_;
};

bool is_video_name(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  constexpr const char* known[] = {".mp4", ".mkv", ".avi", ".mov", ".webm", ".ts"};
  return std::find(std::begin(known), std::end(known), ending) != std::end(known);
}

/// Video files by stem.
std::map<std::string, fs::path> videos_in(const fs::path& folder) {
  std::error_code error;
  std::map<std::string, fs::path> videos;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (is_video_name(entry->path())) videos[entry->path().stem().string()] = entry->path();
  if (error) throw std::runtime_error("can't list the folder " + folder.string() + ": " + error.message());
  return videos;
}

std::vector<std::unique_ptr<Clip>> clips_of(const fs::path& data) {
  const std::array<fs::path, 2> folders = {data / "visible", data / "infrared"};
  const std::map<std::string, fs::path> visible = videos_in(folders[0]), infrared = videos_in(folders[1]);
  std::vector<std::unique_ptr<Clip>> clips;
  if (visible.empty() && infrared.empty()) {
    clips.push_back(std::make_unique<PictureClip>(fs::weakly_canonical(data).filename().string(),
                                                  match_pictures(folders)));
    return clips;
  }
  for (const auto& [stem, file] : visible) {
    const auto partner = infrared.find(stem);
    if (partner == infrared.end())
      throw std::runtime_error("the clip " + file.string() + " has no partner in " + folders[1].string());
    clips.push_back(std::make_unique<VideoClip>(stem, std::array{file, partner->second}));
  }
  if (clips.empty()) throw std::runtime_error("there is no visible clip in " + folders[0].string());
  return clips;
}

/// Ours or a baseline, as a stream and alone.
struct Measured {
  std::string name;
  std::unique_ptr<LumaFuser> stream{}, alone{};
  const metrics::Baseline* baseline = nullptr;
  metrics::SteadinessMeter steadiness{};
  metrics::MotionMeter motion{};

  void add(const std::vector<cv::Mat>& lumas, const metrics::SourceMotions& sources) {
    cv::Mat fused, by_itself;
    if (baseline) {
      fused = by_itself = baseline->fuse(lumas[0], lumas[1]);
    } else {
      fused = luma(stream->fuse_next(lumas));
      by_itself = luma(alone->fuse(lumas));
    }
    steadiness.add(lumas[0], lumas[1], fused, by_itself);
    motion.add(fused, sources);
  }
};

std::vector<Measured> measured_methods(const RankOptions& options) {
  std::vector<Measured> all;
  for (const RankMethod& method : options.methods)
    all.push_back({.name = method.name,
                   .stream = std::make_unique<LumaFuser>(method.name, method.parameters),
                   .alone = std::make_unique<LumaFuser>(method.name, method.parameters)});
  for (const metrics::Baseline& baseline : metrics::baselines)
    all.push_back({.name = baseline.name, .baseline = &baseline});
  return all;
}

std::vector<VideoRow> measure(Clip& clip, const RankOptions& options) {
  std::vector<Measured> methods = measured_methods(options);
  Progress progress("frames of " + clip.name(), static_cast<std::size_t>(options.limit),
                    !options.quiet && options.limit > 0);
  metrics::SourceMotions sources;
  int frames = 0;
  for (std::vector<cv::Mat> lumas;
       (options.limit == 0 || frames < options.limit) && !(lumas = clip.next()).empty();) {
    try {
      sources.add(lumas[0], lumas[1]);
      for (Measured& method : methods) method.add(lumas, sources);
    } catch (const std::invalid_argument& error) {
      throw std::runtime_error("can't measure \"" + clip.name() + "\": " + error.what());
    }
    ++frames;
    if (options.limit > 0) progress.show(static_cast<std::size_t>(frames));
  }
  if (frames < 2) throw std::runtime_error("the clip \"" + clip.name() + "\" has fewer than two frames");
  std::vector<VideoRow> rows;
  for (const Measured& method : methods)
    rows.push_back({clip.name(), method.name, frames, method.steadiness.result(), method.motion.result()});
  return rows;
}

std::vector<TableRow> table_of(const std::vector<VideoRow>& rows, int decimals, const char* nothing) {
  const auto cell = [&](const std::optional<double>& value) {
    return value ? number_text(*value, decimals) : std::string(nothing);
  };
  std::vector<TableRow> table = {
      {"clip", "method", "frames", "flicker", "SSIM where it moves", "BiSWE", "MS2R"}};
  for (const VideoRow& row : rows)
    table.push_back({row.clip, row.method, std::to_string(row.frames), cell(row.steadiness.flicker),
                     cell(row.steadiness.moving_similarity), cell(row.motion.biswe), cell(row.motion.ms2r)});
  return table;
}

}  // namespace

std::string video_markdown(const std::vector<VideoRow>& rows) {
  return markdown_table(table_of(rows, 3, "-"));
}

std::vector<VideoRow> rank_video(const RankOptions& options) {
  make_output_folder(options.output);
  std::vector<VideoRow> rows;
  for (const std::unique_ptr<Clip>& clip : clips_of(options.data))
    for (VideoRow& row : measure(*clip, options)) rows.push_back(std::move(row));
  write_report(options.output, "video.csv", csv_table(table_of(rows, 6, "")));
  write_report(
      options.output, "video.md",
      "# Steadiness\n\nMade by `digfusion rank --video`. Flicker: mean change over contrast where both "
      "sources stand still, over the visible\nstream's own (1: as steady as the camera). SSIM: of the "
      "frame in the stream with the same frame fused alone, where the\nscene moves (1: no trails). BiSWE "
      "(of 255; grows with the picture's contrast) and MS2R (pixels): VF-Bench's (arXiv\n2505.19858), less "
      "is better, with DIS optical flow.\n\n" +
          video_markdown(rows));
  return rows;
}

}  // namespace digfusion::tools
