// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the infrared picture lies on the visible one now, for whoever has something to map.
#pragma once

#include <gst/video/video.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/image/infrared_map.h"
#include "core/interface/interface.h"

namespace digfusion {

/// update() and forget() are for the streaming thread, map() for any. Its lock is a leaf.
class InfraredPlace {
 public:
  /// Takes the parameters that the core has, the caps of the pictures that it has fused and what it told of
  /// them. Reads the file that `registration` names when that is another than before.
  void update(const Parameters& parameters, const GstVideoInfo& visible, const GstVideoInfo& infrared,
              const FrameReport& report);
  void forget();

  /// Null before update(), and where it can't be told (the core refuses to fuse then, and says why).
  std::shared_ptr<const InfraredMap> map() const;

 private:
  struct Key {
    Grid visible, infrared;
    Refined refined;
    InfraredFit fit;
    int top, bottom, left, right;
    bool operator==(const Key&) const = default;
  };
  std::optional<Key> key_;  ///< of map_; streaming thread only, as the next two
  std::string text_;        ///< what registration_ was read from
  std::optional<Registration> registration_;

  mutable std::mutex mutex_;  ///< guards map_
  std::shared_ptr<const InfraredMap> map_;
};

/// Size and pixels of the pictures with these caps.
Grid grid_of(const GstVideoInfo& info);

}  // namespace digfusion
