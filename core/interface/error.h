// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The core's own exception. It stays within libdigfusion.so and the programs linked to it: interface.cpp
// turns it into a Status, main.cpp into a message and an exit code.
#pragma once

#include <stdexcept>
#include <string>

#include "core/interface/interface.h"

namespace digfusion {

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace digfusion
