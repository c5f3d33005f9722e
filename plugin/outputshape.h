// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the view (mode, palette, highlight-above) makes of the visible stream's caps.
#pragma once

#include <gst/video/video.h>

#include "core/parameters/view.h"

namespace digfusion {

/// What of the parameters the output's caps depend on.
struct OutputShape {
  View mode = View::fused;
  const char* coloured_by =
      nullptr;  ///< the parameter that a gray output can't have; see core/parameters/view.h

  OutputShape() = default;
  explicit OutputShape(const Parameters& parameters)
      : mode(parameters.mode), coloured_by(digfusion::coloured_by(parameters)) {}

  int across() const { return panels_across(mode); }
  /// Whether caps that suit the one suit the other.
  bool operator==(const OutputShape& other) const {
    return across() == other.across() && (coloured_by != nullptr) == (other.coloured_by != nullptr);
  }
};

/// A copy of `caps` with every width `times` as large, and divided by `over`; widths that don't divide are
/// left out. The caller owns it.
GstCaps* scaled_widths(GstCaps* caps, int times, int over);

/// What `pad`'s peer can do, where the peer's pictures are `times`/`over` as wide as those of `wanted`: as
/// gst_pad_peer_query_caps(), in widths of `wanted`, which may be null.
GstCaps* peer_caps_across(GstPad* pad, GstCaps* wanted, int times, int over);

}  // namespace digfusion
