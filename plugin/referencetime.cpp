// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/referencetime.h"

namespace digfusion {

void ReferenceTime::restart() { gst_clear_caps(&clock_); }

void ReferenceTime::leads(GstBuffer* buffer, std::int64_t running_time) {
  const GstReferenceTimestampMeta* meta = gst_buffer_get_reference_timestamp_meta(buffer, nullptr);
  if (!meta) return restart();
  gst_caps_replace(&clock_, meta->reference);
  ahead_ = static_cast<std::int64_t>(meta->timestamp) - running_time;
}

std::optional<std::int64_t> ReferenceTime::shift(GstBuffer* buffer, std::int64_t running_time) const {
  const GstReferenceTimestampMeta* meta =
      clock_ ? gst_buffer_get_reference_timestamp_meta(buffer, clock_) : nullptr;
  if (!meta) return {};
  return static_cast<std::int64_t>(meta->timestamp) - ahead_ - running_time;
}

}  // namespace digfusion
