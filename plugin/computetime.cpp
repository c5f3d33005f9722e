// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/computetime.h"

#include <algorithm>

namespace digfusion {
namespace {

constexpr std::size_t capacity = 64, fewest = 8;
constexpr std::int64_t step = 5'000'000;

}  // namespace

bool ComputeTime::add(std::int64_t time) {
  if (recent_.size() < capacity)
    recent_.push_back(time);
  else
    recent_[next_] = time;
  next_ = (next_ + 1) % capacity;
  if (recent_.size() < fewest) return false;
  std::vector<std::int64_t> sorted = recent_;
  const auto rank = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() * 95 + 99) / 100 - 1);
  std::nth_element(sorted.begin(), rank, sorted.end());
  const std::int64_t wanted = (*rank + *rank / 5 + step - 1) / step * step;
  const bool broken = *rank > promised_, generous = recent_.size() == capacity && wanted <= promised_ / 2;
  if (!broken && !generous) return false;
  promised_ = wanted;
  return true;
}

}  // namespace digfusion
