// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/tags.h"

namespace digfusion {
namespace {

TagListRef without_the_streams_own(const GstTagList* tags) {
  TagListRef kept(gst_tag_list_copy(tags));
  for (gint i = gst_tag_list_n_tags(tags) - 1; i >= 0; --i) {
    const gchar* name = gst_tag_list_nth_tag_name(tags, static_cast<guint>(i));
    if (gst_tag_get_flag(name) == GST_TAG_FLAG_ENCODED || g_str_equal(name, GST_TAG_IMAGE_ORIENTATION))
      gst_tag_list_remove_tag(kept.get(), name);
  }
  return kept;
}

}  // namespace

GstEvent* Tags::take(GstEvent* event, bool is_visible) {
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event, &tags);
  const GstTagScope which = gst_tag_list_get_scope(tags);
  Scope& scope = scopes_[which == GST_TAG_SCOPE_GLOBAL ? 1 : 0];
  const TagListRef taken = is_visible ? TagListRef(gst_tag_list_ref(tags)) : without_the_streams_own(tags);
  TagListRef& own = is_visible ? scope.visible : scope.infrared;
  // A later event may hold only what is new.
  own.reset(gst_tag_list_merge(own.get(), taken.get(), GST_TAG_MERGE_REPLACE));
  TagListRef merged(gst_tag_list_merge(scope.visible.get(), scope.infrared.get(), GST_TAG_MERGE_KEEP));
  if (!merged || gst_tag_list_is_empty(merged.get())) return nullptr;
  if (scope.sent && gst_tag_list_is_equal(merged.get(), scope.sent.get())) return nullptr;
  gst_tag_list_set_scope(merged.get(), which);
  scope.sent.reset(gst_tag_list_copy(merged.get()));
  GstEvent* sent = gst_event_new_tag(merged.release());
  gst_event_set_seqnum(sent, gst_event_get_seqnum(event));
  return sent;
}

void Tags::forget(bool is_visible) {
  for (Scope& scope : scopes_) (is_visible ? scope.visible : scope.infrared).reset();
}

}  // namespace digfusion
