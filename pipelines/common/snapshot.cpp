// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/snapshot.h"

#include <gst/video/video.h>

#include <mutex>
#include <utility>
#include <vector>

#include "pipelines/common/failure.h"
#include "pipelines/common/frame.h"

namespace digfusion::pipelines {
namespace {

constexpr GstClockTime encoding_limit = 20 * GST_SECOND;

struct Order {
  std::string path;
  std::function<void(const std::string&)> done;
};

/// Why the picture couldn't be written, or an empty text.
std::string write(GstSample* png, const std::string& path) {
  GstMapInfo map;
  GstBuffer* buffer = gst_sample_get_buffer(png);
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return "the encoded picture can't be read";
  GError* error = nullptr;
  std::string why;
  if (!g_file_set_contents(path.c_str(), reinterpret_cast<const char*>(map.data), gssize(map.size), &error))
    why = error->message;
  g_clear_error(&error);
  gst_buffer_unmap(buffer, &map);
  return why;
}

}  // namespace

struct Snapshot::State {
  ObjectPtr<GstPad> pad;
  gulong probe = 0;
  std::mutex mutex;  ///< a leaf
  std::vector<Order> orders;

  static void encode(const std::shared_ptr<State>& state, Order order, GstSample* picture);
};

namespace {

/// Goes with a picture that is being encoded.
template <class State>
struct Encoding {
  std::weak_ptr<State> state;  ///< gone: nobody waits for it
  Order order;
};

}  // namespace

void Snapshot::State::encode(const std::shared_ptr<State>& state, Order order, GstSample* picture) {
  const MiniPtr<GstCaps> png(gst_caps_new_empty_simple("image/png"));
  gst_video_convert_sample_async(
      picture, png.get(), encoding_limit,
      [](GstSample* encoded, GError* error, gpointer data) {
        const MiniPtr<GstSample> sample(encoded);
        auto* encoding = static_cast<Encoding<State>*>(data);
        std::string why = sample ? write(sample.get(), encoding->order.path)
                                 : (error ? error->message : std::string("PNG encoding failed"));
        g_clear_error(&error);
        if (!encoding->state.expired()) encoding->order.done(why);
      },
      new Encoding<State>{state, std::move(order)},
      [](gpointer data) { delete static_cast<Encoding<State>*>(data); });
}

Snapshot::Snapshot(GstPad* pad) : state_(std::make_shared<State>()) {
  gst_object_unref(gst_object_ref_sink(make_element("pngenc")));  // it is there, or this says what to install
  state_->pad.reset(GST_PAD(gst_object_ref(pad)));
  state_->probe = gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad* pad, GstPadProbeInfo* info, gpointer data) {
        const auto& state = *static_cast<std::shared_ptr<State>*>(data);
        std::vector<Order> orders;
        {
          const std::lock_guard lock(state->mutex);
          orders.swap(state->orders);
        }
        if (orders.empty()) return GST_PAD_PROBE_OK;
        const MiniPtr<GstCaps> caps(gst_pad_get_current_caps(pad));
        const MiniPtr<GstSample> picture(
            gst_sample_new(GST_PAD_PROBE_INFO_BUFFER(info), caps.get(), nullptr, nullptr));
        for (Order& order : orders) State::encode(state, std::move(order), picture.get());
        return GST_PAD_PROBE_OK;
      },
      new std::shared_ptr<State>(state_),
      [](gpointer data) { delete static_cast<std::shared_ptr<State>*>(data); });
}

Snapshot::~Snapshot() { gst_pad_remove_probe(state_->pad.get(), state_->probe); }

void Snapshot::take(const std::string& path, std::function<void(const std::string&)> done) {
  const std::lock_guard lock(state_->mutex);
  state_->orders.push_back({path, std::move(done)});
}

}  // namespace digfusion::pipelines
