// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/digtestview.h"

#include <gst/video/video.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "core/scene/renderer.h"
#include "plugin/frametimes.h"

GST_DEBUG_CATEGORY_STATIC(gst_dig_test_view_debug);
#define GST_CAT_DEFAULT gst_dig_test_view_debug

#define VIEW_FORMATS "{ I420, NV12, GRAY8, GRAY16_LE }"
#define GRAY_FIRST "{ GRAY8, GRAY16_LE, I420, NV12 }"
#define CAPS_OF(formats)                                                                         \
  "video/x-raw, format = (string) " formats                                                      \
  ", width = (int) [ 16, 4096 ], height = (int) [ 16, 4096 ], framerate = (fraction) [ 0, max ]" \
  ", pixel-aspect-ratio = (fraction) 1/1, interlace-mode = (string) progressive"
static_assert(digfusion::scene::minimum_size == 16 && digfusion::scene::maximum_size == 4096);

namespace {

using digfusion::FrameTimes;
using digfusion::View;
using digfusion::scene::Faults;
using digfusion::scene::FaultyCamera;
using digfusion::scene::Moment;
using digfusion::scene::Pattern;
using digfusion::scene::Plane;
using digfusion::scene::Renderer;

/// Writes samples into one component of a mapped frame.
template <class Sample>
void write(const Plane& plane, GstVideoFrame& frame, int component, float scale, float offset) {
  const int stride = GST_VIDEO_FRAME_COMP_STRIDE(&frame, component);
  const int step = GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, component);
  auto* data = static_cast<guint8*>(GST_VIDEO_FRAME_COMP_DATA(&frame, component));
  for (int y = 0; y < plane.height; ++y, data += stride) {
    const float* row = plane.row(y);
    for (int x = 0; x < plane.width; ++x) {
      const auto sample = static_cast<Sample>(row[x] * scale + offset);  // offset holds the rounding half
      if constexpr (sizeof(Sample) == 1)
        data[static_cast<gsize>(x) * step] = sample;
      else
        GST_WRITE_UINT16_LE(data + static_cast<gsize>(x) * step, sample);
    }
  }
}

class ViewState {
 public:
  explicit ViewState(GstBaseSrc* element) : element_(element) {}

  View view = View::visible;

  void set_scene(Pattern pattern, std::uint64_t seed) {
    const std::lock_guard lock(mutex_);
    pattern_ = pattern;
    seed_ = seed;
  }
  void set_faults(const Faults& faults) {
    const std::lock_guard lock(mutex_);
    faults_ = faults;
  }
  bool kelvin() {
    const std::lock_guard lock(mutex_);
    return faults_.kelvin;
  }
  void start_at(GstClockTime position) {
    const std::lock_guard lock(mutex_);
    first_ = position;
  }
  GstClockTime position() {
    const std::lock_guard lock(mutex_);
    return times_.known() && placed_ ? times_.start(std::max<std::int64_t>(next_, 0)) : first_;
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    renderer_.reset();
    camera_.reset();
    times_ = {};
    placed_ = false;
    first_ = 0;
  }

  void set_info(const GstVideoInfo& info) {
    const std::lock_guard lock(mutex_);
    times_.set_rate(info.fps_n, info.fps_d, placed_ ? std::max<std::int64_t>(next_, 0) : 0);
    info_ = info;
    update_renderer();  // before the first frame's time is chosen: it takes long
  }
  const GstVideoInfo& info() const { return info_; }

  void seek(GstSegment* segment) {
    const std::lock_guard lock(mutex_);
    // The very first one, when the stream starts, may have been told another place to start from.
    target_ = segment->position;
    reverse_ = segment->rate < 0;
    placed_ = false;
    segment->time = segment->start;
  }

  /// Time and length of one frame, and of the whole stream, or false where the caps aren't known.
  bool durations(GstClockTime* frame, GstClockTime* stream) {
    const std::lock_guard lock(mutex_);
    if (!times_.known() || times_.still()) return false;
    FrameTimes fresh = times_;
    fresh.restart();
    *frame = fresh.duration(0);
    *stream = element_->num_buffers < 0 ? GST_CLOCK_TIME_NONE : fresh.start(element_->num_buffers);
    return true;
  }

  GstFlowReturn fill(GstBuffer* buffer);
  GstClockTime stamp() const { return stamp_; }
  GstClockTime due() const { return due_; }
  bool dropped() const { return dropped_; }

 private:
  /// Chooses the next frame by time. A live view starts with the first frame that is still to come, so that
  /// two views show the same frame at the same running time, whenever each was ready.
  void place() {
    times_.restart();
    GstClockTime target = static_cast<GstClockTime>(
        digfusion::scene::nominal_of(faults_, static_cast<std::int64_t>(std::max(target_, first_))));
    if (gst_base_src_is_live(element_)) {
      if (GstClock* clock = gst_element_get_clock(GST_ELEMENT(element_))) {
        const GstClockTime now = gst_clock_get_time(clock),
                           base = gst_element_get_base_time(GST_ELEMENT(element_));
        const auto running = static_cast<std::int64_t>(now > base ? now - base : 0);
        target = static_cast<GstClockTime>(digfusion::scene::nominal_of(faults_, running));
        gst_object_unref(clock);
      }
      next_ = target > 0 ? times_.at(target) + (times_.still() ? 0 : 1) : 0;
    } else {
      next_ = times_.at(reverse_ && target > 0 ? target - 1 : target);
    }
    first_ = 0;
    placed_ = true;
  }
  void update_renderer() {
    const int width = GST_VIDEO_INFO_WIDTH(&info_), height = GST_VIDEO_INFO_HEIGHT(&info_);
    if (view == View::infrared && !faults_.perfect_picture()) return update_camera(width, height);
    camera_.reset();
    if (renderer_ && renderer_->pattern() == pattern_ && renderer_->seed() == seed_ &&
        renderer_->width() == width && renderer_->height() == height)
      return;
    renderer_.reset();
    renderer_ = Renderer::shared(pattern_, seed_, width, height);
  }
  void update_camera(int width, int height) {
    const CameraKey key{pattern_, seed_, width, height, faults_};
    if (camera_ && camera_key_ == key) return;
    camera_.reset();
    camera_.emplace(pattern_, seed_, width, height, faults_);
    camera_key_ = key;
    renderer_.reset();  // after, so that one renderer serves both
  }
  bool draw(const Moment& frame, const Moment& shown, GstBuffer* buffer);

  GstBaseSrc* const element_;
  std::mutex
      mutex_;  ///< of all below but what only the streaming thread touches; taken before GStreamer's locks
  Pattern pattern_ = digfusion::scene::default_pattern;
  std::uint64_t seed_ = 0;
  Faults faults_;  ///< none but in the infrared view
  GstClockTime target_ = 0, first_ = 0;
  bool placed_ = false, reverse_ = false;
  std::int64_t next_ = 0;
  FrameTimes times_;

  // The streaming thread's, or of whoever starts and stops it.
  std::shared_ptr<const Renderer> renderer_;
  struct CameraKey {
    Pattern pattern;
    std::uint64_t seed;
    int width, height;
    Faults faults;
    bool operator==(const CameraKey&) const = default;
  };
  std::optional<FaultyCamera> camera_;  ///< in the renderer's place where the picture has faults
  CameraKey camera_key_ = {};
  GstVideoInfo info_ = {};
  // Of the frame on its way:
  GstClockTime stamp_ = 0, due_ = 0;  ///< its timestamp, and when a live view has it
  bool dropped_ = false;              ///< whether it gets lost
  Plane luma_, cb_, cr_;
};

GstFlowReturn ViewState::fill(GstBuffer* buffer) {
  namespace scene = digfusion::scene;
  std::int64_t frame;
  std::optional<std::pair<Moment, Moment>>
      moments;  // the frame's, and that of what an infrared camera with faults shows
  {
    const std::lock_guard lock(mutex_);
    if (!placed_) place();
    if (next_ < 0 || (times_.still() && next_ > 0)) return GST_FLOW_EOS;
    frame = next_;
    next_ += reverse_ ? -1 : 1;
    const auto nominal = static_cast<std::int64_t>(times_.start(frame));
    const GstClockTime duration = times_.duration(frame);
    const std::int64_t interval = times_.still() ? 0 : static_cast<std::int64_t>(duration);
    const std::int64_t stamp = scene::stamp_of(faults_, seed_, frame, nominal, interval);
    const std::int64_t shown = scene::shown_in(faults_, frame, nominal, interval);
    moments.emplace(Moment(frame, times_.seconds(frame)), Moment(shown, times_.seconds(shown)));
    // What would be stamped before the stream's beginning is lost, but not for its jitter alone.
    dropped_ = scene::is_dropped(faults_, seed_, frame) || stamp < -faults_.jitter;
    due_ = static_cast<GstClockTime>(scene::taken_at(faults_, nominal));
    stamp_ = static_cast<GstClockTime>(std::max<std::int64_t>(stamp, 0));
    GST_BUFFER_PTS(buffer) = due_;
    GST_BUFFER_DURATION(buffer) = duration;
    if (!dropped_) update_renderer();
  }
  GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_OFFSET(buffer) = static_cast<guint64>(frame);
  GST_BUFFER_OFFSET_END(buffer) = static_cast<guint64>(frame) + 1;
  if (!dropped_ && !draw(moments->first, moments->second, buffer)) {
    GST_ELEMENT_ERROR(element_, RESOURCE, WRITE, ("Can't write to the picture's memory."),
                      ("frame %" G_GINT64_FORMAT, frame));
    return GST_FLOW_ERROR;
  }
  return GST_FLOW_OK;
}

bool ViewState::draw(const Moment& frame, const Moment& shown, GstBuffer* buffer) {
  const bool gray = GST_VIDEO_INFO_IS_GRAY(&info_), coloured = !gray && view == View::visible;
  if (camera_)
    camera_->picture(frame.n, shown, luma_);
  else if (view == View::infrared)
    renderer_->infrared(shown, luma_);
  else if (view == View::ideal)
    renderer_->ideal(frame, luma_);
  else if (coloured)
    renderer_->visible(frame, luma_, cb_, cr_);
  else
    renderer_->visible(frame, luma_);

  GstVideoFrame mapped;
  if (!gst_video_frame_map(&mapped, &info_, buffer, GST_MAP_WRITE)) return false;
  const bool limited = info_.colorimetry.range == GST_VIDEO_COLOR_RANGE_16_235;
  if (GST_VIDEO_INFO_COMP_DEPTH(&info_, 0) == 16)
    write<guint16>(luma_, mapped, 0, limited ? 219 * 256.0f : 65535.0f, limited ? 4096.5f : 0.5f);
  else
    write<guint8>(luma_, mapped, 0, limited ? 219.0f : 255.0f, limited ? 16.5f : 0.5f);
  if (coloured) {
    write<guint8>(cb_, mapped, 1, limited ? 224.0f : 254.0f, 128.5f);
    write<guint8>(cr_, mapped, 2, limited ? 224.0f : 254.0f, 128.5f);
  } else if (!gray) {
    cb_.resize(GST_VIDEO_FRAME_COMP_WIDTH(&mapped, 1), GST_VIDEO_FRAME_COMP_HEIGHT(&mapped, 1));
    std::fill(cb_.samples.begin(), cb_.samples.end(), 0.0f);
    write<guint8>(cb_, mapped, 1, 0, 128.5f);
    write<guint8>(cb_, mapped, 2, 0, 128.5f);
  }
  gst_video_frame_unmap(&mapped);
  return true;
}

}  // namespace

const char* digfusion::view_name(View view) {
  switch (view) {
    case View::visible:
      return "visible";
    case View::infrared:
      return "infrared";
    case View::ideal:
      break;
  }
  return "ideal";
}

const char* digfusion::view_caps(View view) {
  return view == View::visible ? CAPS_OF(VIEW_FORMATS) : CAPS_OF(GRAY_FIRST);
}

struct _GstDigTestView {
  GstPushSrc parent;
  ViewState* state;
};

G_DEFINE_TYPE(GstDigTestView, gst_dig_test_view, GST_TYPE_PUSH_SRC)

static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS_OF(VIEW_FORMATS)));

static ViewState* state_of(gpointer object) { return GST_DIG_TEST_VIEW(object)->state; }

/// A radiometric picture has one format.
static GstCaps* gst_dig_test_view_get_caps(GstBaseSrc* base, GstCaps* filter) {
  GstCaps* caps = gst_pad_get_pad_template_caps(GST_BASE_SRC_PAD(base));
  if (state_of(base)->kelvin()) {
    caps = gst_caps_make_writable(caps);
    gst_caps_set_simple(caps, "format", G_TYPE_STRING, "GRAY16_LE", "colorimetry", G_TYPE_STRING, "1:4:0:0",
                        nullptr);
  }
  if (!filter) return caps;
  GstCaps* both = gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref(caps);
  return both;
}

/// The first format that the view prefers, 640×480 at 30/1, and the colorimetry that the samples will have.
static GstCaps* gst_dig_test_view_fixate(GstBaseSrc* base, GstCaps* caps) {
  GstCaps* preferred = gst_caps_from_string(digfusion::view_caps(state_of(base)->view));
  const GValue* formats = gst_structure_get_value(gst_caps_get_structure(preferred, 0), "format");
  for (guint i = 0; i < gst_value_list_get_size(formats); ++i) {
    GstCaps* filter = gst_caps_new_empty_simple("video/x-raw");
    gst_caps_set_value(filter, "format", gst_value_list_get_value(formats, i));
    GstCaps* some = gst_caps_intersect_full(caps, filter, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref(filter);
    if (!gst_caps_is_empty(some)) {
      gst_caps_unref(caps);
      caps = some;
      break;
    }
    gst_caps_unref(some);
  }
  gst_caps_unref(preferred);

  caps = gst_caps_make_writable(gst_caps_truncate(caps));
  GstStructure* structure = gst_caps_get_structure(caps, 0);
  gst_structure_fixate_field_nearest_int(structure, "width", 640);
  gst_structure_fixate_field_nearest_int(structure, "height", 480);
  gst_structure_fixate_field_nearest_fraction(structure, "framerate", 30, 1);
  GstVideoInfo info;
  const char* format = gst_structure_get_string(structure, "format");
  int width = 0, height = 0;
  if (format && gst_structure_get_int(structure, "width", &width) &&
      gst_structure_get_int(structure, "height", &height) &&
      gst_video_info_set_format(&info, gst_video_format_from_string(format), width, height)) {
    gchar* usual = gst_video_colorimetry_to_string(&info.colorimetry);
    if (!gst_structure_has_field(structure, "colorimetry"))
      gst_structure_set(structure, "colorimetry", G_TYPE_STRING, usual, nullptr);
    else
      gst_structure_fixate_field_string(structure, "colorimetry", usual);
    g_free(usual);
  }
  return GST_BASE_SRC_CLASS(gst_dig_test_view_parent_class)->fixate(base, caps);
}

/// GstBaseSrc moves a live stream's timestamps by the delay of its first frame, which differs from view to
/// view. Both views' frames are counted from running time 0 already, and keep that time, or what a faulty
/// clock makes of it. A lost frame gets lost here, so that it counts among `num-buffers` and takes its time.
static GstPadProbeReturn on_frame(GstPad*, GstPadProbeInfo* info, gpointer user_data) {
  if (state_of(user_data)->dropped()) return GST_PAD_PROBE_DROP;
  GstBuffer* buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
  GST_BUFFER_PTS(buffer) = state_of(user_data)->stamp();
  GST_PAD_PROBE_INFO_DATA(info) = buffer;
  return GST_PAD_PROBE_OK;
}

static gboolean gst_dig_test_view_set_caps(GstBaseSrc* base, GstCaps* caps) {
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps)) {
    GST_ERROR_OBJECT(base, "not raw video: %" GST_PTR_FORMAT, caps);
    return FALSE;
  }
  GST_DEBUG_OBJECT(base, "%" GST_PTR_FORMAT, caps);
  try {
    state_of(base)->set_info(info);
  } catch (const std::exception& error) {
    GST_ELEMENT_ERROR(base, RESOURCE, FAILED, ("Can't render the scene: %s.", error.what()), (nullptr));
    return FALSE;
  }
  return TRUE;
}

static gboolean gst_dig_test_view_decide_allocation(GstBaseSrc* base, GstQuery* query) {
  GstCaps* caps = nullptr;
  GstBufferPool* pool = nullptr;
  guint size = 0, min = 0, max = 0;
  gst_query_parse_allocation(query, &caps, nullptr);
  const bool offered = gst_query_get_n_allocation_pools(query) > 0;
  if (offered) gst_query_parse_nth_allocation_pool(query, 0, &pool, &size, &min, &max);
  if (!pool) pool = gst_video_buffer_pool_new();
  size = std::max(size, static_cast<guint>(GST_VIDEO_INFO_SIZE(&state_of(base)->info())));

  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, caps, size, min, max);
  if (gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr))
    gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  gst_buffer_pool_set_config(pool, config);
  if (offered)
    gst_query_set_nth_allocation_pool(query, 0, pool, size, min, max);
  else
    gst_query_add_allocation_pool(query, pool, size, min, max);
  gst_object_unref(pool);
  return GST_BASE_SRC_CLASS(gst_dig_test_view_parent_class)->decide_allocation(base, query);
}

static gboolean gst_dig_test_view_is_seekable(GstBaseSrc* base) { return !gst_base_src_is_live(base); }

static gboolean gst_dig_test_view_do_seek(GstBaseSrc* base, GstSegment* segment) {
  if (!GST_CLOCK_TIME_IS_VALID(segment->position)) return FALSE;  // backwards from an unknown end
  state_of(base)->seek(segment);
  return TRUE;
}

static gboolean gst_dig_test_view_query(GstBaseSrc* base, GstQuery* query) {
  GstClockTime frame, stream;
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_LATENCY:
      // A camera's frame is complete when its time is over.
      if (!state_of(base)->durations(&frame, &stream)) break;
      gst_query_set_latency(query, gst_base_src_is_live(base), frame, GST_CLOCK_TIME_NONE);
      return TRUE;
    case GST_QUERY_DURATION: {
      GstFormat format;
      gst_query_parse_duration(query, &format, nullptr);
      if (format != GST_FORMAT_TIME || !state_of(base)->durations(&frame, &stream) ||
          !GST_CLOCK_TIME_IS_VALID(stream))
        break;
      gst_query_set_duration(query, GST_FORMAT_TIME, static_cast<gint64>(stream));
      return TRUE;
    }
    default:
      break;
  }
  return GST_BASE_SRC_CLASS(gst_dig_test_view_parent_class)->query(base, query);
}

/// A live source waits for a frame's time; the base class does it.
static void gst_dig_test_view_get_times(GstBaseSrc* base, GstBuffer* buffer, GstClockTime* start,
                                        GstClockTime* end) {
  *start = *end = GST_CLOCK_TIME_NONE;
  if (!gst_base_src_is_live(base)) return;
  *start = state_of(base)->due();
  if (GST_BUFFER_DURATION_IS_VALID(buffer)) *end = *start + GST_BUFFER_DURATION(buffer);
}

static gboolean gst_dig_test_view_stop(GstBaseSrc* base) {
  state_of(base)->stop();
  return TRUE;
}

static GstFlowReturn gst_dig_test_view_fill(GstPushSrc* push, GstBuffer* buffer) {
  try {
    return state_of(push)->fill(buffer);
  } catch (const std::exception& error) {
    GST_ELEMENT_ERROR(push, RESOURCE, FAILED, ("Can't render the scene: %s.", error.what()), (nullptr));
    return GST_FLOW_ERROR;
  }
}

static void gst_dig_test_view_finalize(GObject* object) {
  delete GST_DIG_TEST_VIEW(object)->state;
  G_OBJECT_CLASS(gst_dig_test_view_parent_class)->finalize(object);
}

static void gst_dig_test_view_class_init(GstDigTestViewClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_dig_test_view_debug, "digtestview", 0, "one view of digtestsrc");
  G_OBJECT_CLASS(klass)->finalize = gst_dig_test_view_finalize;
  auto* element = GST_ELEMENT_CLASS(klass);
  gst_element_class_set_static_metadata(element, "One view of a generated scene", "Source/Video",
                                        "A child of digtestsrc", "the digfusion project");
  gst_element_class_add_static_pad_template(element, &src_template);
  auto* base = GST_BASE_SRC_CLASS(klass);
  base->get_caps = gst_dig_test_view_get_caps;
  base->fixate = gst_dig_test_view_fixate;
  base->set_caps = gst_dig_test_view_set_caps;
  base->decide_allocation = gst_dig_test_view_decide_allocation;
  base->is_seekable = gst_dig_test_view_is_seekable;
  base->do_seek = gst_dig_test_view_do_seek;
  base->query = gst_dig_test_view_query;
  base->get_times = gst_dig_test_view_get_times;
  base->stop = gst_dig_test_view_stop;
  GST_PUSH_SRC_CLASS(klass)->fill = gst_dig_test_view_fill;
}

static void gst_dig_test_view_init(GstDigTestView* self) {
  self->state = new ViewState(GST_BASE_SRC(self));
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
  gst_pad_add_probe(GST_BASE_SRC_PAD(self), GST_PAD_PROBE_TYPE_BUFFER, on_frame, self, nullptr);
}

GstElement* gst_dig_test_view_new(View view) {
  auto* self = static_cast<GstDigTestView*>(
      g_object_new(GST_TYPE_DIG_TEST_VIEW, "name", digfusion::view_name(view), nullptr));
  self->state->view = view;
  return GST_ELEMENT(self);
}

void gst_dig_test_view_set_scene(GstDigTestView* self, Pattern pattern, std::uint64_t seed) {
  self->state->set_scene(pattern, seed);
}

void gst_dig_test_view_set_faults(GstDigTestView* self, const Faults& faults) {
  self->state->set_faults(faults);
}

void gst_dig_test_view_start_at(GstDigTestView* self, GstClockTime position) {
  self->state->start_at(position);
}

GstClockTime gst_dig_test_view_position(GstDigTestView* self) { return self->state->position(); }
