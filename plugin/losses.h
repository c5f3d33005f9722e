// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which of the streams are lost, told on the bus when that changes.
#pragma once

#include <gst/gst.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "plugin/settings.h"

namespace digfusion {

enum class Loss { infrared, visible, frozen };

/// For the streaming thread; is() and count() for any.
class Losses {
 public:
  explicit Losses(GstElement* element) : element_(element) {}

  /// Forgets everything, counts too.
  void restart();
  /// Whether that is so at a running time. When it begins, an element message "digfusion-infrared-lost"
  /// (losses.cpp names all) with running-time and policy is posted, and "digfusion-infrared-recovered" with
  /// running-time and duration when it ends; times are guint64 nanoseconds. Returns whether it changed.
  bool update(Loss which, bool lost, std::int64_t running_time, LossPolicy policy);
  bool is(Loss which) const { return state_[static_cast<int>(which)].lost; }
  /// How often it has begun.
  guint64 count(Loss which) const { return state_[static_cast<int>(which)].count; }

 private:
  struct State {
    std::atomic<bool> lost{false};
    std::atomic<guint64> count{0};
    std::int64_t since = 0;
  };
  GstElement* element_;
  std::array<State, 3> state_;
};

}  // namespace digfusion
