// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A fusion's state in words (fusion.h).
#include <filesystem>
#include <string>
#include <string_view>

#include "core/tools/console.h"
#include "pipelines/common/fusion.h"
#include "pipelines/common/meter.h"

namespace digfusion::pipelines {
namespace {

using tools::number_text;

/// What a line begins with: what follows is in columns.
std::string column(std::string name) {
  name.resize(std::string_view("infrared  ").size(), ' ');
  return name;
}

std::string camera_line(const char* role, const CameraStatus& camera) {
  const std::string name = column(role);
  switch (camera.state) {
    case CameraState::connecting:
      return name + "connecting for " + in_seconds(camera.silent) +
             (camera.problem.empty() ? "" : " (" + camera.problem + ")");
    case CameraState::playing: {
      const std::string size = std::to_string(camera.width) + "x" + std::to_string(camera.height);
      if (camera.silent > Meter::window) return name + size + "  silent for " + in_seconds(camera.silent);
      return name + size + "  " + number_text(camera.rate, 1) + "/s";
    }
    case CameraState::waiting:
      return name + "lost, next try in " + in_seconds(camera.next_try) + ": " + camera.problem;
    case CameraState::ended:
      return name + "ended";
    case CameraState::failed:
      return name + "failed: " + camera.problem;
  }
  return name;
}

}  // namespace

std::vector<std::string> status_lines(const FusionStatus& status) {
  std::vector<std::string> lines{camera_line("visible", status.visible),
                                 camera_line("infrared", status.infrared)};
  std::string fused = column("fused") + number_text(status.rate, 1) + "/s  " +
                      number_text(status.milliseconds, 1) + " ms a picture";
  if (status.delay > 0) fused += ", " + number_text(status.delay, 0) + " ms late";
  lines.push_back(fused);
  if (status.unfused > 0 || status.left_out > 0)
    lines.push_back(std::to_string(status.unfused) + " not fused, " + std::to_string(status.left_out) +
                    " left out");
  if (!status.device.empty())
    lines.push_back(column(status.device) + std::filesystem::path(status.model).filename().string());
  return lines;
}

}  // namespace digfusion::pipelines
