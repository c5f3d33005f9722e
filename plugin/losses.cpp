// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/losses.h"

#include <algorithm>

#include "plugin/messages.h"
#include "plugin/properties.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {
namespace {

struct Names {
  const char *begins, *ends;
};
constexpr Names names[] = {
    {"digfusion-infrared-lost", "digfusion-infrared-recovered"},
    {"digfusion-visible-lost", "digfusion-visible-recovered"},
    {"digfusion-infrared-frozen", "digfusion-infrared-unfrozen"},
};

guint64 unsigned_time(std::int64_t time) { return static_cast<guint64>(std::max<std::int64_t>(time, 0)); }

}  // namespace

void Losses::restart() {
  for (State& state : state_) {
    state.lost = false;
    state.count = 0;
  }
}

bool Losses::update(Loss which, bool lost, std::int64_t running_time, LossPolicy policy) {
  State& state = state_[static_cast<int>(which)];
  if (state.lost == lost) return false;
  state.lost = lost;
  const Names& name = names[static_cast<int>(which)];
  GstStructure* structure = gst_structure_new(lost ? name.begins : name.ends, "running-time", G_TYPE_UINT64,
                                              unsigned_time(running_time), nullptr);
  if (lost) {
    ++state.count;
    state.since = running_time;
    gst_structure_set(structure, "policy", G_TYPE_STRING, name_of(policy), nullptr);
  } else {
    gst_structure_set(structure, "duration", G_TYPE_UINT64, unsigned_time(running_time - state.since),
                      nullptr);
  }
  GST_INFO_OBJECT(element_, "%" GST_PTR_FORMAT, structure);
  gst_element_post_message(element_, gst_message_new_element(GST_OBJECT(element_), structure));
  return true;
}

}  // namespace digfusion
