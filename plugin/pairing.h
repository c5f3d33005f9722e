// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which infrared picture goes with a visible one: the nearest in running time, decided with as little waiting
// as possible. Pure logic on times; no GStreamer in it.
#pragma once

#include <cstdint>
#include <optional>

namespace digfusion {

/// When a picture is shown.
struct Slot {
  std::int64_t time = 0;      ///< running time, nanoseconds
  std::int64_t interval = 0;  ///< time to the next picture of its stream, nanoseconds; 0: not known
  bool used = false;          ///< has been fused with an earlier visible picture
};

enum class Pairing {
  hold,    ///< fuse with the picture that left the queue last
  take,    ///< fuse with the queue's first picture, which stays there
  advance  ///< the queue's first picture is passed: take it out, keep it in hand, and look at the one after
           ///< it
};

/// `held` is the infrared picture that left the queue last, if any, `first` the queue's first, which comes
/// later. Nearest wins; of two at the same distance the earlier. Where the streams' rates are alike (within
/// 1/16) and both are about as near, the one that hasn't been used wins: so clocks half a picture apart, with
/// the jitter of real cameras, still pair one to one. `first` is taken without a look at its successor when
/// its interval says that the successor is further away; therefore streams of equal rates never wait for a
/// picture in the future.
Pairing pair(const std::optional<Slot>& held, const Slot& first, const Slot& visible);

/// Whether `first`, just fused with `visible`, won't be wanted by the visible picture that follows, so that
/// it can leave the queue now. A source that pushes both streams from one thread would block forever
/// otherwise.
bool passed_after(const Slot& first, const Slot& visible);

/// Whether the stream's last picture still stands at the time of `visible` after the end of its stream.
bool covers(const Slot& last, const Slot& visible);

/// How far from a visible picture its infrared picture may lie, in nanoseconds.
struct Limits {
  std::int64_t tolerance = INT64_MAX;  ///< after it
  std::int64_t max_age =
      1'000'000'000;  ///< either way, or the infrared picture's interval where that is longer
};

/// Whether an infrared picture may be fused with a visible one: older infrared would show people where they
/// no longer are.
bool is_usable(const Slot& infrared, const Slot& visible, const Limits& limits);

}  // namespace digfusion
