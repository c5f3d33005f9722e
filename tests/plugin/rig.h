// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the plugin's tests share: pictures with a number in them, a pipeline of two appsrcs, digfusion and an
// appsink, and the element between harnesses.
#pragma once

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/plugin/fake_core.h"

namespace digfusion::test {

inline constexpr GstClockTime ms = GST_MSECOND;

/// The log of the fake core that DIGFUSION_CORE names.
FakeCoreLog& fake_core_log();

/// Sets an environment variable for as long as it lives.
class Environment {
 public:
  Environment(const char* name, const std::string& value);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::string name_, before_;
  bool was_set_;
};

/// The element by itself.
class Element {
 public:
  Element() : element(gst_element_factory_make("digfusion", nullptr)) { gst_object_ref_sink(element); }
  ~Element() {
    gst_element_set_state(element, GST_STATE_NULL);
    gst_object_unref(element);
  }
  GstElement* const element;
};

struct Picture {
  int value = 0;  ///< of every luma sample
  GstClockTime pts = GST_CLOCK_TIME_NONE, duration = GST_CLOCK_TIME_NONE;
};

/// `count` pictures with values from `first_value`, at `fps` from `start`.
std::vector<Picture> pictures(int count, int fps, GstClockTime start = 0, int first_value = 0);

std::string caps_text(const std::string& format, int width, int height, int fps = 25);

/// A buffer for these caps whose luma (or R, G and B) is `value` everywhere, chroma 128.
GstBuffer* make_buffer(const std::string& caps, const Picture& picture);

/// A parsed pipeline, stopped and freed with everything that was got from it when it goes out of scope.
class Pipeline {
 public:
  explicit Pipeline(const std::string& description);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  GstElement* get(const char* name);
  GstAppSrc* source(const char* name) { return GST_APP_SRC(get(name)); }
  GstAppSink* sink(const char* name) { return GST_APP_SINK(get(name)); }

  GstElement* const pipeline;
  GstBus* const bus;

 private:
  std::vector<GstElement*> got_;
};

/// What the fake core put together: the luma of the upper and of the lower half, or -1 where they aren't
/// uniform.
struct Fused {
  int visible = -1, infrared = -1;
  GstClockTime pts = GST_CLOCK_TIME_NONE, duration = GST_CLOCK_TIME_NONE;
};
Fused read_fused(GstBuffer* buffer, GstCaps* caps);

/// A message's text, for errors, warnings and infos.
std::string text_of(GstMessage* message);

struct Result {
  std::vector<Fused> frames;
  std::string error;  ///< empty when the stream ended well
  std::vector<std::string> warnings, infos;
  std::vector<std::string> elements;  ///< names of the element messages
  std::unique_ptr<GstStructure, void (*)(GstStructure*)> stats{nullptr, gst_structure_free};
};

struct Stream {
  std::vector<Picture> pictures;
  std::string caps = caps_text("GRAY8", 32, 32);
};

/// Feeds both streams through `digfusion PROPERTIES` until the output ends. `prepare` gets the buffers before
/// they are pushed, and is told which stream they belong to.
Result fuse_streams(const Stream& visible, const Stream& infrared, const std::string& properties = "",
                    const std::function<void(GstBuffer*, bool is_visible)>& prepare = {});

/// The element with a harness on each pad; the second pulls nothing. In state PLAYING, with no live source.
class Rig {
 public:
  explicit Rig(const std::string& properties = "");
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  GstElement* element;
  GstHarness *visible, *infrared;

  void set_caps(const std::string& visible_caps, const std::string& infrared_caps);
  void push_visible(const Picture& picture);
  void push_infrared(const Picture& picture);
  /// Downstream answers allocation queries so, from now on.
  void answer_allocation(std::function<void(GstQuery*)> answer);
  /// Flushes both streams, as a seek does.
  void flush();
  /// Waits for a picture; fails the test after some seconds.
  Fused pull();
  /// The next message of these types, or null after `timeout`; the caller owns it.
  GstMessage* wait_message(GstMessageType types, GstClockTime timeout = 5 * GST_SECOND);

 private:
  std::string visible_caps_, infrared_caps_;
  GstBus* bus_;
};

}  // namespace digfusion::test
