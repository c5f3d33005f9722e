// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a reader may take of memory, watched through AddressSanitizer's allocator.
#pragma once

#include <cstddef>

namespace digfusion {

/// While one lives, this thread may neither make an allocation larger than the file plus 2 MiB nor hold more
/// than 16 times the file plus 16 MiB of what it has made meanwhile: else the process says so and aborts,
/// which libFuzzer takes for a crash. One at a time in a thread. The 2 MiB are the unpickler's stack at its
/// deepest; 16 times the file is what a JSON header of the shortest possible entries takes.
class MemoryLimit {
 public:
  explicit MemoryLimit(std::size_t file_size);
  ~MemoryLimit();
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;
};

}  // namespace digfusion
