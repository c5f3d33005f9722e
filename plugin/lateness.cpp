// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/lateness.h"

#include <algorithm>

namespace digfusion {
namespace {

constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t longest_step = 1000 * millisecond;  // that one event lets be skipped
constexpr std::int64_t longest_drought = 500 * millisecond;
/// What a busy machine's scheduling may take without a picture lost.
constexpr std::int64_t least_slack = 100 * millisecond;

}  // namespace

void Lateness::told(std::int64_t time, std::int64_t difference, std::int64_t interval) {
  // GstVideoDecoder's rule: what is computed now comes later still.
  earliest_ = difference > 0 ? time + std::min(2 * difference, longest_step) + interval : time + difference;
}

bool Lateness::queues_up(std::int64_t late, std::int64_t allowed, std::int64_t interval, std::int64_t now) {
  usual_ = std::clamp<std::int64_t>(late, 0, usual_);
  const std::int64_t slack = std::max(2 * interval, least_slack);
  if (last_sent_ < 0 || late <= allowed + slack || late <= usual_ + slack) return false;
  if (now - last_sent_ < longest_drought) return true;
  usual_ = late;
  return false;
}

}  // namespace digfusion
