// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion rank --scenes`: our methods on generated scenes, whose ideal fused picture is known.
#pragma once

#include <string>
#include <vector>

#include "core/tools/rank.h"

namespace digfusion::tools {

/// A method's means over the frames of a pattern, each frame fused by itself, to the ideal.
struct SceneRow {
  std::string pattern, method;
  bool is_ours = false;
  double ssim = 0;
  double psnr = 0;  ///< decibel
};

/// Frames of each pattern of core/scene, half a second apart.
struct SceneOptions {
  int width = 640, height = 480, frames = 4;
};

/// Fuses them with options.methods and the baselines and writes scenes.md, scenes.csv and scenes.jpg (a
/// contact sheet: visible, infrared, ideal, and the first method's picture, a row for each pattern). Throws
/// std::runtime_error.
std::vector<SceneRow> rank_scenes(const RankOptions& options, const SceneOptions& scenes);

/// As Markdown.
std::string scenes_markdown(const std::vector<SceneRow>& rows);

}  // namespace digfusion::tools
