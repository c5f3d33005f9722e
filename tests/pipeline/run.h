// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs a pipeline as gst-launch-1.0 would and gives every buffer of its appsink "out" to a function.
#pragma once

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace digfusion::test {

inline void run_pipeline(const std::string& description, const std::function<void(GstSample*)>& each,
                         const std::function<void(GstElement*)>& prepare = {}) {
  gst_init(nullptr, nullptr);
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(description.c_str(), &error);
  ASSERT_EQ(error, nullptr) << error->message;
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "out");
  ASSERT_NE(sink, nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  if (prepare) prepare(pipeline);
  while (GstSample* sample = gst_app_sink_pull_sample(GST_APP_SINK(sink))) {
    each(sample);
    gst_sample_unref(sample);
  }
  GstBus* bus = gst_element_get_bus(pipeline);
  if (GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR)) {
    GError* reason = nullptr;
    gst_message_parse_error(message, &reason, nullptr);
    ADD_FAILURE() << reason->message;
    g_clear_error(&reason);
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
}

}  // namespace digfusion::test
