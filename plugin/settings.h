// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The element's settings: written by whoever sets properties, read by the streaming thread.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/parameters/parameters.h"

namespace digfusion {

/// What ends the output stream.
enum class EosPolicy : int { visible, first, all };

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
  /// Makes the next take_changes() give the parameters again.
  void mark_changed();

  EosPolicy eos_policy() const;
  void set_eos_policy(EosPolicy policy);
  /// Failures in a row that end the stream; 0: never.
  unsigned max_failures() const;
  void set_max_failures(unsigned count);

  static constexpr unsigned default_max_failures = 30;

 private:
  mutable std::mutex mutex_;
  Parameters parameters_;
  bool changed_ = false;
  EosPolicy eos_policy_ = EosPolicy::visible;
  unsigned max_failures_ = default_max_failures;
};

}  // namespace digfusion
