// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/settings.h"

#include <utility>

namespace digfusion {

Parameters Settings::parameters() const {
  const std::lock_guard lock(mutex_);
  return parameters_;
}

std::optional<std::string> Settings::set(const ParameterSpec& spec, const Value& value,
                                         std::vector<const ParameterSpec*>& changed) {
  const std::lock_guard lock(mutex_);
  const Parameters before = parameters_;
  if (auto message = digfusion::set(parameters_, spec, value)) return message;
  if (parameters_ == before) return {};
  changed_ = true;
  for (const ParameterSpec& row : parameter_table())
    if (&row != &spec && row.get(parameters_) != row.get(before)) changed.push_back(&row);
  return {};
}

std::optional<Parameters> Settings::take_changes() {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(changed_, false)) return {};
  return parameters_;
}

bool Settings::has_changes() const {
  const std::lock_guard lock(mutex_);
  return changed_;
}

StreamSettings Settings::stream() const {
  const std::lock_guard lock(mutex_);
  return stream_;
}

}  // namespace digfusion
