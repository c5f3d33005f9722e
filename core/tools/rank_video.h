// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion rank --video`: how steadily our methods' pictures stand and move on clips.
#pragma once

#include <string>
#include <vector>

#include "core/metrics/motion.h"
#include "core/metrics/steadiness.h"
#include "core/tools/rank.h"

namespace digfusion::tools {

struct VideoRow {
  std::string clip, method;
  int frames = 0;
  metrics::Steadiness steadiness;
  metrics::Motion motion;
};

/// options.data has the subfolders visible and infrared, either with video files of equal stem, each a clip,
/// or with pictures, which are one clip's frames in the order of their names. At most options.limit frames of
/// each clip (0: all). Fuses each as a stream and each frame alone, measures ours and the baselines, and
/// writes video.md and video.csv. Throws std::runtime_error.
std::vector<VideoRow> rank_video(const RankOptions& options);

/// As Markdown.
std::string video_markdown(const std::vector<VideoRow>& rows);

}  // namespace digfusion::tools
