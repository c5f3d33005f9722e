// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The last numbers of a stream, and what ranks where among them. Pure logic; no GStreamer in it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace digfusion {

template <std::size_t capacity>
class RecentValues {
 public:
  void add(std::int64_t value) {
    if (!full())
      values_.push_back(value);
    else
      values_[next_] = value;
    next_ = (next_ + 1) % capacity;
  }
  std::size_t size() const { return values_.size(); }
  bool full() const { return size() == capacity; }
  /// The number that `rank` others are no larger than; rank < size().
  std::int64_t ranked(std::size_t rank) const {
    std::vector<std::int64_t> sorted = values_;
    const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(rank);
    std::nth_element(sorted.begin(), at, sorted.end());
    return *at;
  }

 private:
  std::vector<std::int64_t> values_;
  std::size_t next_ = 0;
};

}  // namespace digfusion
