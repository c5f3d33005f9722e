// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Several pictures in one: views and their arrangement.
#pragma once

#include <gst/video/video.h>

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "pipelines/common/frame.h"

namespace digfusion::pipelines {

enum class View { fused, visible, infrared, side_by_side };

struct ViewInfo {
  View value;
  const char* nick;   ///< as typed: "side-by-side"
  const char* key;    ///< that chooses it, as X calls it: "f", "v", "i", "s"
  const char* blurb;  ///< a few words for --help and the key list
};
std::span<const ViewInfo> view_table();
const ViewInfo& info_of(View view);
std::optional<View> find_view(std::string_view nick);

/// What a Layout makes is at least this high, so that text over it can be read, and at most this wide. The
/// height comes first only where the width allows it.
struct Bounds {
  int min_height = 480, max_width = 7680;
};

/// Arranges pictures side by side in one BGRA picture, opaque, with square pixels: the first one's height,
/// each scaled to it with its own shape kept (pixel aspect ratio included), all made larger or smaller
/// together where the bounds want it. A missing one leaves its place black: of the shape that it had when it
/// was last there, or the first one's. Scaling and conversion are GstVideoConverter's, which draws right into
/// the place. Not thread-safe.
class Layout {
 public:
  explicit Layout(const Bounds& bounds = {});
  ~Layout();
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;

  /// The first picture that isn't missing gives height, time and rate. All missing: a black picture of the
  /// size that there was before (640x480 each before the first), without a time. Throws Failure for a picture
  /// that can't be read.
  Frame arrange(std::span<const Frame> pictures);
  /// Where a picture's middle was drawn last, as a part of the width.
  double middle(std::size_t index) const;

 private:
  struct Place;
  /// Gives every picture its place at that height; returns the width of all.
  int place(std::span<const Frame> pictures, int height);

  const Bounds bounds_;
  GstVideoInfo first_;  ///< of the picture that gave the height last
  int width_ = 0;
  std::vector<Place> places_;
};

}  // namespace digfusion::pipelines
