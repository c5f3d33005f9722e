// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The tags of both streams as those of the fused one.
#pragma once

#include <gst/gst.h>

#include <array>
#include <memory>

namespace digfusion {

struct TagListUnref {
  void operator()(GstTagList* list) const { gst_tag_list_unref(list); }
};
using TagListRef = std::unique_ptr<GstTagList, TagListUnref>;

/// The visible stream's tags go on. Of the infrared stream's those go along that the visible stream doesn't
/// have (device and place, say), but not what tells of its encoding (codec, bitrate: GST_TAG_FLAG_ENCODED) or
/// turns its picture (image-orientation). For the streaming thread.
class Tags {
 public:
  /// Takes a TAG event; returns the one to send in its place, or null when it changes nothing. The caller
  /// owns that.
  GstEvent* take(GstEvent* event, bool is_visible);
  /// One of the streams begins anew: its tags are forgotten.
  void forget(bool is_visible);

 private:
  struct Scope {
    TagListRef visible, infrared, sent;
  };
  std::array<Scope, 2> scopes_;  ///< by GstTagScope
};

}  // namespace digfusion
