// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/pairing.h"

#include <algorithm>
#include <cstdlib>

namespace digfusion {
namespace {

constexpr std::int64_t millisecond = 1'000'000;

bool alike(std::int64_t a, std::int64_t b) {
  return a > 0 && b > 0 && std::abs(a - b) <= std::max(a, b) / 16;
}

/// Of two infrared pictures around a visible one, whether to choose the later. Distances are not negative.
bool later_wins(std::int64_t to_earlier, std::int64_t to_later, bool earlier_used, bool rates_alike) {
  const bool about_equal = std::abs(to_earlier - to_later) <= (to_earlier + to_later) / 4;
  if (rates_alike && about_equal) return earlier_used;
  return to_later < to_earlier;
}

}  // namespace

Pairing pair(const std::optional<Slot>& held, const Slot& first, const Slot& visible) {
  if (first.time > visible.time) {
    if (!held) return Pairing::take;
    // The nominal interval, where there is one: it has no jitter.
    const std::int64_t interval = held->interval > 0 ? held->interval : first.time - held->time;
    const bool rates_alike = alike(interval, visible.interval);
    return later_wins(visible.time - held->time, first.time - visible.time, held->used, rates_alike)
               ? Pairing::take
               : Pairing::hold;
  }
  if (first.time == visible.time) return Pairing::take;
  const std::int64_t expected = first.time + first.interval;
  if (expected <= visible.time) return Pairing::advance;
  return later_wins(visible.time - first.time, expected - visible.time, first.used,
                    alike(first.interval, visible.interval))
             ? Pairing::advance
             : Pairing::take;
}

bool passed_after(const Slot& first, const Slot& visible) {
  Slot after = visible;
  after.time += visible.interval > 0 ? visible.interval : first.interval;
  if (after.time == visible.time) return true;  // nothing known of either rate
  Slot used = first;
  used.used = true;
  return pair({}, used, after) == Pairing::advance;
}

bool covers(const Slot& last, const Slot& visible) {
  const std::int64_t interval = last.interval > 0 ? last.interval : visible.interval;
  // Rounded timestamps must not let the last picture stand for one frame too many.
  return visible.time < last.time + interval - std::min(interval / 16, millisecond);
}

bool is_usable(const Slot& infrared, const Slot& visible, const Limits& limits) {
  const std::int64_t most = std::max(limits.max_age, infrared.interval);
  const std::int64_t age = visible.time - infrared.time;
  return age >= 0 ? age <= most : -age <= std::min(most, limits.tolerance);
}

}  // namespace digfusion
