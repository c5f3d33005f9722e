// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/messages.h"

#include <cstring>

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {

void post_error(GstElement* element, const char* context, const Status& status) {
  GQuark domain = GST_LIBRARY_ERROR;
  gint code = GST_LIBRARY_ERROR_FAILED;
  switch (status.code) {
    case ErrorCode::invalid_argument:
      code = GST_LIBRARY_ERROR_SETTINGS;
      break;
    case ErrorCode::model:
      domain = GST_RESOURCE_ERROR;
      code = GST_RESOURCE_ERROR_OPEN_READ;
      break;
    case ErrorCode::device:
      domain = GST_RESOURCE_ERROR;
      code = GST_RESOURCE_ERROR_NOT_FOUND;
      break;
    case ErrorCode::out_of_memory:
      domain = GST_RESOURCE_ERROR;
      code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
      break;
    case ErrorCode::none:
    case ErrorCode::internal:
      break;
  }
  gst_element_message_full(element, GST_MESSAGE_ERROR, domain, code,
                           g_strdup_printf("%s: %s", context, status.message), nullptr, __FILE__,
                           GST_FUNCTION, __LINE__);
}

void log_to_element(void* user, LogLevel level, const char* message) {
  auto* element = static_cast<GstElement*>(user);
  if (level == LogLevel::warning)
    GST_ELEMENT_WARNING(element, LIBRARY, SETTINGS, ("%s", message), (nullptr));
  else
    GST_INFO_OBJECT(element, "%s", message);
}

Status failure(ErrorCode code, const char* message) {
  Status status;
  status.code = code;
  std::strncpy(status.message, message, sizeof status.message - 1);
  return status;
}

}  // namespace digfusion
