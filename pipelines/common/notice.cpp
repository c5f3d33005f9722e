// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/notice.h"

namespace digfusion::pipelines {
namespace {

/// What a camera does whose pictures don't come.
std::string doing(const CameraStatus& camera) {
  switch (camera.state) {
    case CameraState::connecting:
      return camera.frames ? "connecting again" : "connecting";
    case CameraState::playing:
      return "no picture for " + in_seconds(camera.silent);
    case CameraState::waiting:
      return "next try in " + in_seconds(camera.next_try);
    case CameraState::ended:
      return "it has ended";
    case CameraState::failed:
      break;
  }
  return camera.problem.empty() ? "it failed" : camera.problem;
}

/// What is missing, what is shown instead, and what is done about it.
std::string missing(const std::string& name, const CameraStatus& camera, const std::string& instead) {
  return (camera.frames ? name + " LOST" : "NO " + name + " PICTURE") + instead + ": " + doing(camera);
}

}  // namespace

std::string notice_of(const Shown& shown, const FusionStatus& status) {
  const bool wants_fused = shown.asked == View::fused || shown.asked == View::side_by_side;
  std::string lines;
  const auto add = [&lines](const std::string& line) { lines += (lines.empty() ? "" : "\n") + line; };
  if (!shown.visible)
    add(missing("VISIBLE", status.visible, wants_fused && shown.infrared ? ", infrared only" : ""));
  if (!shown.infrared)
    add(missing("INFRARED", status.infrared, wants_fused && shown.visible ? ", visible only" : ""));
  if (lines.empty() && wants_fused && shown.stream != View::fused)
    add(status.fused + status.unfused == 0 ? "The fusion is starting, visible only"
                                           : "NO FUSED PICTURE, visible only");
  return lines;
}

}  // namespace digfusion::pipelines
