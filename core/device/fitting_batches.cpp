// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/device/fitting_batches.h"

#include <algorithm>
#include <optional>
#include <string>

#include "core/device/failure.h"

namespace digfusion {
namespace {

/// What the allocator said, if that is why `evaluate` failed. Back here all that it had allocated is free.
std::optional<std::string> shortage(const std::function<void()>& evaluate) {
  try {
    evaluate();
    return {};
  } catch (const std::exception& error) {
    Failure failure = failure_of(error);
    if (failure.code != ErrorCode::out_of_memory) throw;
    return std::move(failure.message);
  }
}

}  // namespace

void FittingBatches::run(std::int64_t total, std::int64_t height, std::int64_t width, std::int64_t most,
                         const std::function<void(std::int64_t, std::int64_t)>& evaluate) {
  const Size size(height, width);
  for (std::int64_t first = 0; first < total;) {
    const std::int64_t count = std::min(allowed(size, most), total - first);
    const auto lack = shortage([&] { evaluate(first, count); });
    if (!lack) {
      first += count;
    } else if (count > 1) {
      forbid_beyond(size, count / 2);
    } else {
      throw Error(ErrorCode::out_of_memory,
                  "out of memory: the network's evaluation of " + std::to_string(width) + "×" +
                      std::to_string(height) +
                      " doesn't fit, even one at a time (batch 1); give smaller pictures, a smaller model or "
                      "precision=bfloat16, or end what else uses the memory: " +
                      *lack);
    }
  }
}

std::int64_t FittingBatches::allowed(const Size& size, std::int64_t most) {
  const std::scoped_lock lock(mutex_);
  const auto found = largest_.find(size);
  return std::max<std::int64_t>(1, found == largest_.end() ? most : std::min(most, found->second));
}

void FittingBatches::forbid_beyond(const Size& size, std::int64_t count) {
  const std::scoped_lock lock(mutex_);
  const auto [entry, is_new] = largest_.try_emplace(size, count);
  if (!is_new) entry->second = std::min(entry->second, count);
}

}  // namespace digfusion
