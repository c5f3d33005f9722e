// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What an exception of LibTorch or the standard library says of the device.
#pragma once

#include <exception>
#include <string>

#include "core/interface/error.h"

namespace digfusion {

struct Failure {
  ErrorCode code;
  std::string message;
};

/// out_of_memory: of a GPU (c10::OutOfMemoryError) or of the machine (std::bad_alloc, or what LibTorch's CPU
/// allocator throws). device: an error of the CUDA runtime, with its name, such as cudaErrorIllegalAddress,
/// and what helps; most of these stick to the process, and each later call fails with them. internal:
/// anything else, with its own message. An Error is what it says.
Failure failure_of(const std::exception& error);

}  // namespace digfusion
