// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What an operator must know about the picture in front of him when it isn't what he asked for.
#pragma once

#include <optional>
#include <string>

#include "pipelines/common/fusion.h"
#include "pipelines/common/layout.h"

namespace digfusion::pipelines {

/// What is on the screen.
struct Shown {
  View asked = View::fused;
  /// The stream that the picture comes from, or nothing: black. With side_by_side the one that leads.
  std::optional<View> stream;
  bool visible = false, infrared = false;  ///< whether these cameras' pictures come
};

/// A line for each thing that is amiss, empty if nothing is:
/// "VISIBLE LOST, infrared only: next try in 4 s", "The fusion is starting, visible only".
std::string notice_of(const Shown& shown, const FusionStatus& status);

}  // namespace digfusion::pipelines
