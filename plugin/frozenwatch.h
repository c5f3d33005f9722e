// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tells when the infrared camera has stopped while the scene goes on: behind its shutter (flat-field
// correction), or hung. Looks at a few thousand samples of each picture and changes none. No GStreamer in it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/interface/interface.h"

namespace digfusion {

/// Infrared pictures are frozen when they have been the same for long enough and the visible picture has
/// clearly changed meanwhile. The second is needed because compressed video of a standing scene repeats
/// pictures bit by bit, too. A visible change is one of places against the others: sensor noise and a change
/// of exposure are none. Frozen stays frozen until another infrared picture comes.
class FrozenWatch {
 public:
  /// Gives a picture in host memory, or nothing where it can't be had. Asked only for what is looked at: a
  /// picture on a GPU has to be fetched for that.
  using Source = std::function<std::optional<Image>()>;

  /// Looks at the next pair, in order of `time` (nanoseconds). `is_new`: the infrared picture isn't that of
  /// the pair before. Returns whether infrared is frozen; `after`: for how long it has to be the same.
  bool look(const Source& visible, const Source& infrared, bool is_new, std::int64_t time,
            std::int64_t after);
  /// When the first of the infrared pictures that are the same came.
  std::int64_t since() const { return since_; }
  void restart() { *this = {}; }

 private:
  std::vector<std::uint16_t> reference_;  ///< samples of the first of the pictures that are the same
  std::vector<float>
      visible_then_;  ///< means of blocks of the visible picture beside the first repetition, or a later one
  std::int64_t since_ = 0, visible_since_ = 0;
  int repeats_ = 0;
  bool frozen_ = false;
};

}  // namespace digfusion
