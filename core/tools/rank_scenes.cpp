// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/rank_scenes.h"

#include <memory>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "core/metrics/baselines.h"
#include "core/metrics/structure.h"
#include "core/scene/renderer.h"
#include "core/tools/console.h"
#include "core/tools/luma_fuser.h"
#include "core/tools/pictures.h"
#include "core/tools/reproduce_report.h"
#include "core/tools/table.h"

namespace digfusion::tools {
namespace {

constexpr std::int64_t frames_apart = std::int64_t(scene::frames_per_second / 2);
constexpr std::uint64_t scene_seed = 1;

/// 0..1 → CV_64F on whole numbers of 0..255.
cv::Mat bytes_of(scene::Plane& plane) {
  cv::Mat bytes, luma;
  cv::Mat(plane.height, plane.width, CV_32F, plane.samples.data()).convertTo(bytes, CV_8U, 255);
  bytes.convertTo(luma, CV_64F);
  return luma;
}

struct SceneFrame {
  cv::Mat visible, infrared, ideal;
};

SceneFrame frame_of(const scene::Renderer& renderer, std::int64_t n) {
  const auto render = [&](auto view) {
    scene::Plane plane;
    plane.resize(renderer.width(), renderer.height());
    (renderer.*view)(n, plane);
    return bytes_of(plane);
  };
  using View = void (scene::Renderer::*)(const scene::Moment&, scene::Plane&) const;
  return {render(static_cast<View>(&scene::Renderer::visible)), render(&scene::Renderer::infrared),
          render(&scene::Renderer::ideal)};
}

/// Half as large, side by side.
cv::Mat sheet_row(const std::vector<cv::Mat>& pictures) {
  std::vector<cv::Mat> small(pictures.size());
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    cv::resize(pictures[i], small[i], {}, 0.5, 0.5, cv::INTER_AREA);
    small[i].convertTo(small[i], CV_8U);
  }
  cv::Mat row;
  cv::hconcat(small, row);
  return row;
}

std::vector<TableRow> table_of(const std::vector<SceneRow>& rows, bool marked) {
  std::vector<TableRow> table = {{"pattern", "method", "SSIM", "PSNR"}};
  for (const SceneRow& row : rows)
    table.push_back({row.pattern, marked && row.is_ours ? "**" + row.method + "**" : row.method,
                     number_text(row.ssim, 3), number_text(row.psnr, 2)});
  return table;
}

}  // namespace

std::string scenes_markdown(const std::vector<SceneRow>& rows) {
  return markdown_table(table_of(rows, true));
}

std::vector<SceneRow> rank_scenes(const RankOptions& options, const SceneOptions& scenes) {
  make_output_folder(options.output);
  std::vector<std::unique_ptr<LumaFuser>> fusers;
  for (const RankMethod& method : options.methods)
    fusers.push_back(std::make_unique<LumaFuser>(method.name, method.parameters));
  std::vector<SceneRow> rows;
  std::vector<cv::Mat> sheet;
  Progress progress("patterns", scene::pattern_table().size(), !options.quiet);
  for (const scene::PatternInfo& pattern : scene::pattern_table()) {
    const std::size_t first = rows.size();
    for (const RankMethod& method : options.methods) rows.push_back({pattern.nick, method.name, true});
    for (const metrics::Baseline& baseline : metrics::baselines)
      rows.push_back({pattern.nick, baseline.name});
    const auto renderer = scene::Renderer::shared(pattern.value, scene_seed, scenes.width, scenes.height);
    for (int i = 0; i < scenes.frames; ++i) {
      const SceneFrame frame = frame_of(*renderer, i * frames_apart);
      std::size_t at = first;
      const auto add = [&](const cv::Mat& fused) {
        rows[at].ssim += metrics::structural_similarity(frame.ideal, fused) / scenes.frames;
        rows[at].psnr += cv::PSNR(frame.ideal, fused) / scenes.frames;
        ++at;
      };
      for (const auto& fuser : fusers) {
        const cv::Mat fused = luma(fuser->fuse({frame.visible, frame.infrared}));
        if (i == scenes.frames / 2 && at == first)
          sheet.push_back(sheet_row({frame.visible, frame.infrared, frame.ideal, fused}));
        add(fused);
      }
      for (const metrics::Baseline& baseline : metrics::baselines)
        add(baseline.fuse(frame.visible, frame.infrared));
    }
    progress.show(sheet.size());
  }
  cv::Mat picture;
  cv::vconcat(sheet, picture);
  write_picture(options.output / "scenes.jpg", picture);
  write_report(options.output, "scenes.csv", csv_table(table_of(rows, false)));
  write_report(options.output, "scenes.md",
               "# Generated scenes\n\nMade by `digfusion rank --scenes`. Means over " +
                   std::to_string(scenes.frames) + " frames of " + std::to_string(scenes.width) + "×" +
                   std::to_string(scenes.height) +
                   " of each pattern, each fused by itself, to the ideal fused picture.\n\n" +
                   scenes_markdown(rows) + "\nVisible, infrared, ideal, " + options.methods.front().name +
                   "; a row for each pattern:\n\n![contact sheet](scenes.jpg)\n");
  return rows;
}

}  // namespace digfusion::tools
