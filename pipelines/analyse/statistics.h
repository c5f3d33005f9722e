// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The figures of a report: people found in the visible, the infrared and the fused pictures of one clip.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "pipelines/analyse/detection.h"

namespace digfusion::pipelines {

/// The streams compared, in this order wherever there is one for each.
inline constexpr std::array<std::string_view, 3> stream_names{"visible", "infrared", "fused"};
inline constexpr std::size_t stream_count = stream_names.size();

template <class Value>
using PerStream = std::array<Value, stream_count>;

/// One moment of a clip.
struct Moment {
  double time = 0;                           ///< seconds
  PerStream<std::vector<Detection>> people;  ///< what was found
};

struct StreamSummary {
  double mean = 0;        ///< people a picture
  double some = 0;        ///< part of the pictures with at least one, 0..1
  double confidence = 0;  ///< mean of all people found; 0 if there are none
  /// With each stream: twice the boxes of both that match (overlap of at least a half), over all boxes of
  /// both, 0..1; 1 with itself, and where neither has any.
  PerStream<double> agreement{};
};

PerStream<StreamSummary> summarise(const std::vector<Moment>& moments);

/// People found around each moment: the mean of a second, since single counts jump.
std::vector<double> people_over_time(const std::vector<Moment>& moments, std::size_t stream);

/// How many boxes of `a` and `b` match, each at most once, the best pairs first.
int matches(const std::vector<Detection>& a, const std::vector<Detection>& b);

}  // namespace digfusion::pipelines
