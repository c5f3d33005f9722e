// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Batches as large as the memory allows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

namespace digfusion {

/// Remembers for each size of picture what didn't fit, so that it is tried once. Thread-safe.
class FittingBatches {
 public:
  /// `evaluate(first, count)` for parts of 0..total-1, in order, each of at most `most` pictures of this size
  /// (or of whatever has one). A part that runs out of memory is evaluated again as two of half its size; so
  /// are, from then on, all others of pictures of this size. Throws Error(out_of_memory) with the size and
  /// what helps when a single one doesn't fit, and whatever else `evaluate` throws.
  void run(std::int64_t total, std::int64_t height, std::int64_t width, std::int64_t most,
           const std::function<void(std::int64_t first, std::int64_t count)>& evaluate);

 private:
  using Size = std::pair<std::int64_t, std::int64_t>;
  std::int64_t allowed(const Size& size, std::int64_t most);
  void forbid_beyond(const Size& size, std::int64_t count);

  std::mutex mutex_;  // nothing else is locked, nor evaluated, while it is held
  std::map<Size, std::int64_t> largest_;
};

}  // namespace digfusion
