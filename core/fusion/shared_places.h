// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where streams of one kind meet: one place for each key, for as long as one of them is there.
#pragma once

#include <map>
#include <memory>
#include <mutex>

namespace digfusion {

/// Thread-safe.
template <class Key, class Place>
class SharedPlaces {
 public:
  /// That of the key; the first to come has it made by `make()`, a std::shared_ptr<Place>.
  template <class Make>
  std::shared_ptr<Place> at(const Key& key, const Make& make) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(places_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<Place>& known = places_[key];
    std::shared_ptr<Place> place = known.lock();
    if (!place) known = place = make();
    return place;
  }

 private:
  std::mutex mutex_;  // before any lock of a place's
  std::map<Key, std::weak_ptr<Place>> places_;
};

}  // namespace digfusion
