// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An element that waits for a stream on a pad to which nothing is linked would wait silently and forever.
#pragma once

#include <gst/gst.h>

namespace digfusion {

/// Posts an element error when a pad is still unlinked some seconds after start(). Pads linked late, as
/// decoders and cameras do, are in time. start() and stop() must not overlap.
class LinkWatch {
 public:
  static constexpr unsigned seconds = 10;

  LinkWatch() = default;
  ~LinkWatch() { stop(); }
  LinkWatch(const LinkWatch&) = delete;
  LinkWatch& operator=(const LinkWatch&) = delete;

  /// Does nothing if it is running already or the pad is linked.
  void start(GstPad* pad);
  void stop();

 private:
  GstClockID timer_ = nullptr;
};

}  // namespace digfusion
