// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The element's settings: written by whoever sets properties, read by the streaming thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/parameters/parameters.h"

namespace digfusion {

/// What ends the output stream.
enum class EosPolicy : int { visible, first, all };

/// What is sent while one of the streams is lost. Waiting is for the visible stream alone.
enum class LossPolicy : int { freeze, pass, blank, error, wait };

/// Whose pictures come out one by one, each with the nearest of the other stream.
enum class Lead : int { visible, infrared };

/// Which time says what is nearest.
enum class PairBy : int { running_time, reference_timestamp };

/// What the element itself decides; the initialisers are the defaults. Times are nanoseconds.
struct StreamSettings {
  EosPolicy eos_policy = EosPolicy::visible;
  Lead lead = Lead::visible;
  PairBy pair_by = PairBy::running_time;
  unsigned max_failures = 30;  ///< in a row, that end the stream; 0: never
  LossPolicy infrared_loss = LossPolicy::pass;
  LossPolicy visible_loss = LossPolicy::wait;
  std::uint64_t pts_tolerance = UINT64_MAX;
  std::uint64_t max_infrared_age = 1'000'000'000;
  std::uint64_t max_visible_age = 1'000'000'000;
  std::uint64_t frozen_infrared_after = 500'000'000;  ///< 0: isn't watched
  unsigned recovery_frames = 10;
  bool qos = true;
  bool adaptive = true;
  Preset adaptive_floor = Preset::realtime;
};

/// Thread-safe. Its lock is a leaf: nothing else is locked, and no signal emitted, while it is held.
class Settings {
 public:
  Parameters parameters() const;

  /// Sets one parameter. Returns a message when it isn't allowed; else fills `changed` with the other rows
  /// that took a new value along with it (preset).
  std::optional<std::string> set(const ParameterSpec& spec, const Value& value,
                                 std::vector<const ParameterSpec*>& changed);

  /// The parameters, if any was set since the last call.
  std::optional<Parameters> take_changes();
  /// Whether there are such changes.
  bool has_changes() const;

  StreamSettings stream() const;
  template <class Member>
  void set(Member StreamSettings::*member, Member value) {
    const std::lock_guard lock(mutex_);
    stream_.*member = value;
  }

 private:
  mutable std::mutex mutex_;
  Parameters parameters_;
  bool changed_ = false;
  StreamSettings stream_;
};

}  // namespace digfusion
