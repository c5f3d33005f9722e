// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/ladder.h"

#include <algorithm>

namespace digfusion {
namespace {

constexpr Preset presets[] = {Preset::quality, Preset::balanced, Preset::realtime, Preset::minimal};

constexpr std::int64_t second = 1'000'000'000;
constexpr int settling = 4;                            // pictures
constexpr std::size_t enough = 8;                      // pictures' times for a judgement
constexpr double too_much = 0.95, far_too_much = 1.5;  // of the interval
constexpr double fits_well = 0.75;
constexpr double usual_ratio = 2.5;                 // of two rungs' times, where it was not measured
constexpr std::int64_t shortest_stay = second / 2;  // what queued up before it is no judgement
constexpr std::int64_t least_patience = 5 * second, most_patience = 320 * second;
constexpr std::int64_t proven = 60 * second;  // a rung that was climbed to and kept for so long

std::size_t rung_of(Preset preset) {
  const auto at = std::find(std::begin(presets), std::end(presets), preset);
  return static_cast<std::size_t>(std::min(at, std::end(presets) - 1) - std::begin(presets));
}

}  // namespace

std::span<const Preset> Ladder::rungs() {
  static_assert(std::size(presets) <= most_rungs);
  return presets;
}

bool Ladder::holds(const Parameters& parameters) {
  if (std::find(std::begin(presets), std::end(presets), parameters.preset) == std::end(presets)) return false;
  Parameters plain = parameters;
  const ParameterSpec& spec = *find_parameter("preset");
  return !set(plain, spec, spec.get(parameters)) && plain == parameters;
}

void Ladder::restart(Preset wanted, Preset floor) {
  *this = {};
  wanted_ = rung_ = rung_of(wanted);
  floor_ = std::max(rung_of(floor), wanted_);
  unsettled_ = settling;
  patience_ = least_patience;
}

double Ladder::typical() const {
  return recent_.size() > 0 ? static_cast<double>(recent_.ranked(recent_.size() / 2)) : 0;
}

void Ladder::move(int by, std::int64_t now) {
  rung_ += static_cast<std::size_t>(by);
  recent_ = {};
  unsettled_ = settling;
  changed_ = now;
  climbed_ = by < 0;
  light_since_ = -1;
}

bool Ladder::go_down(std::int64_t now) {
  if (rung_ >= floor_) return false;
  if (climbed_) patience_ = now - changed_ < proven ? std::min(2 * patience_, most_patience) : least_patience;
  left_ = typical();
  move(1, now);
  return true;
}

bool Ladder::computed(std::int64_t time, std::int64_t interval, std::int64_t now) {
  if (unsettled_ > 0) {
    // One that takes several intervals says enough the first time.
    if (time < 4 * interval) {
      --unsettled_;
      return false;
    }
    unsettled_ = 0;
  }
  recent_.add(time);
  if (interval <= 0) return false;
  const double load = typical() / static_cast<double>(interval);
  const bool judged = recent_.size() >= enough || (recent_.size() >= 2 && load > far_too_much);
  if (judged && load > too_much && now - changed_ > shortest_stay) return go_down(now);
  if (recent_.size() < enough || rung_ == wanted_) return false;
  if (left_ > 0) ratio_[rung_ - 1] = std::max(left_ / std::max(typical(), 1.0), 1.0);
  left_ = 0;
  const double ratio = ratio_[rung_ - 1] > 0 ? ratio_[rung_ - 1] : usual_ratio;
  if (load * ratio > fits_well) {
    light_since_ = -1;
    return false;
  }
  if (light_since_ < 0) light_since_ = now;
  if (now - light_since_ < patience_) return false;
  move(-1, now);
  return true;
}

bool Ladder::late(std::int64_t interval, std::int64_t now) {
  // Late for another reason than computing: no cheaper preset would help.
  if (typical() < 0.8 * static_cast<double>(interval)) return false;
  return now - changed_ > shortest_stay && go_down(now);
}

void Ladder::refuse() {
  if (climbed_ && rung_ < floor_)
    wanted_ = ++rung_;
  else if (!climbed_ && rung_ > wanted_)
    floor_ = --rung_;
  climbed_ = false;
  recent_ = {};
  light_since_ = -1;
  left_ = 0;
}

}  // namespace digfusion
