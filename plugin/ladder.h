// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which preset computes while the machine can't keep up with the one that was asked for. Pure logic on times
// (nanoseconds); no GStreamer in it.
#pragma once

#include <cstdint>
#include <span>

#include "core/parameters/parameters.h"
#include "plugin/recent.h"

namespace digfusion {

/// Presets from the dearest down: one is left for the next when pictures take longer than they come, and
/// taken up again when what it used to cost fits well into their interval, for seconds. Each time that this
/// turns out to have been wrong, the next attempt waits twice as long.
class Ladder {
 public:
  /// The presets that are on it, dearest first.
  static std::span<const Preset> rungs();
  /// Whether `parameters` are a rung's: its preset, with none of what a preset decides set otherwise.
  static bool holds(const Parameters& parameters);

  /// Starts over from `wanted`, to go down to `floor` at most; both are rungs.
  void restart(Preset wanted, Preset floor);
  Preset preset() const { return rungs()[rung_]; }

  /// A picture took `time` to compute, of a stream that has one every `interval`, 0: not known. `now`: of any
  /// clock that doesn't jump. Returns whether preset() has changed.
  bool computed(std::int64_t time, std::int64_t interval, std::int64_t now);
  /// A picture came too late to be computed. Returns whether preset() has changed.
  bool late(std::int64_t interval, std::int64_t now);
  /// The present preset can't be had: back to the one before, not to be left downwards any more.
  void refuse();

 private:
  /// The median of the last pictures' times; 0 where none counts yet.
  double typical() const;
  void move(int by, std::int64_t now);
  bool go_down(std::int64_t now);

  static constexpr std::size_t most_rungs = 8;
  std::size_t wanted_ = 0, floor_ = 0, rung_ = 0;
  /// What a rung's pictures took when it was left downwards, by what the next one's took then; 0: not known.
  double ratio_[most_rungs] = {};
  double left_ = 0;  ///< what the rung above took when it was left, until ratio_ is known
  RecentValues<16> recent_;
  int unsettled_ = 0;              ///< pictures that don't count: a network may have to be opened
  std::int64_t changed_ = 0;       ///< when the rung was taken
  bool climbed_ = false;           ///< by going up
  std::int64_t light_since_ = -1;  ///< since when the rung above would do; -1: it wouldn't
  std::int64_t patience_ = 0;      ///< for how long it has to
};

}  // namespace digfusion
