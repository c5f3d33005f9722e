// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/fusion.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <regex>
#include <utility>

#include "pipelines/common/bridge.h"
#include "pipelines/common/main_source.h"
#include "pipelines/common/meter.h"
#include "pipelines/common/rendezvous.h"
#include "pipelines/common/scene_source.h"

namespace digfusion::pipelines {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

/// Pictures of a file that wait in front of the element; live ones are counted by the rendezvous.
constexpr unsigned file_depth = 2, live_depth = 64;
/// How late live pictures may be, beyond the jitter buffer. Nothing waits for so long: those that are missing
/// are told of as gaps.
constexpr milliseconds leeway{3000};
constexpr std::chrono::seconds warn_again{60};

/// Warnings of the element, each told once, and then how many there were since, once a minute.
class Warnings {
 public:
  /// What to say, if anything.
  std::optional<std::string> add(const std::string& text) {
    static const std::regex count(R"( \(and \d+ more since the last warning\))");
    const std::string kind = std::regex_replace(text, count, "");
    const auto now = SteadyClock::now();
    const auto [row, is_new] = rows_.try_emplace(kind, Row{now, 0});
    if (is_new) return kind;
    ++row->second.unsaid;
    if (now - row->second.said < warn_again) return {};
    row->second.said = now;
    return kind + " (" + std::to_string(std::exchange(row->second.unsaid, 0)) + " more such warnings)";
  }

 private:
  struct Row {
    SteadyClock::time_point said;
    unsigned unsaid;
  };
  std::map<std::string, Row> rows_;
};

struct FreeStructure {
  void operator()(GstStructure* structure) const { gst_structure_free(structure); }
};

std::string text_in(const GstStructure* structure, const char* name) {
  const gchar* text = gst_structure_get_string(structure, name);
  return text ? text : "";
}

GstEvent* gap_beside(const Frame& visible) {
  const GstClockTime duration = GST_BUFFER_DURATION(visible.buffer());
  return gst_event_new_gap(visible.time(), GST_CLOCK_TIME_IS_VALID(duration) ? duration : 40 * GST_MSECOND);
}

}  // namespace

struct Fusion::State {
  State(Program& its_program, const CommonOptions& options, Hurry hurry, Callbacks its_callbacks);

  Program& program;
  const SourceOptions sources;
  const EndOptions limits;
  const bool live;
  const Callbacks callbacks;

  RecentFrames recent_visible, recent_infrared;
  Feed visible_feed, infrared_feed;
  Tap tap;
  ObjectPtr<GstElement> pipeline;
  GstElement* digfusion = nullptr;  ///< the pipeline's
  bool infrared_announced = false;  ///< under the lock of the rendezvous
  Rendezvous rendezvous;
  ObjectPtr<GstClock> clock{gst_system_clock_obtain()};
  GstClockTime base_time = GST_CLOCK_TIME_NONE;

  // After what their pictures go to: they stop first.
  std::unique_ptr<Camera> visible, infrared;
  std::unique_ptr<SceneSource> scene;

  // Main thread.
  const std::shared_ptr<const int> alive = std::make_shared<int>();  ///< for what is posted
  MainSource watch, ticker;
  Warnings warnings;
  std::optional<SteadyClock::time_point> give_up;  ///< end() waits until then

  std::atomic<bool> over{false};  ///< on_end has been posted
  Meter out;
  mutable std::mutex mutex;  ///< of all below; a leaf
  std::optional<Frame> first;
  std::optional<SteadyClock::time_point> first_came;
  double delay = 0;  ///< milliseconds, mean of about a second

  void make_pipeline(const CommonOptions& options);
  void make_sources();
  void start();
  void stop();
  void end(milliseconds patience);
  void finish();
  void tick();

  void on_visible(const Frame& frame);
  void on_infrared(const Frame& frame);
  void feed_visible(const Frame& frame);
  void feed_infrared(const Frame& frame);
  void no_infrared(const Frame& visible);
  void on_fused(const Frame& frame);
  void on_change();
  void on_message(GstMessage* message);
  void source_ended(bool is_visible);
  FusionStatus status() const;
};

Fusion::State::State(Program& its_program, const CommonOptions& options, Hurry hurry, Callbacks its_callbacks)
    : program(its_program),
      sources(options.sources()),
      limits(options.end()),
      live(hurry == Hurry::keep_up || (sources.visible && sources.visible->is_live()) ||
           (sources.infrared && sources.infrared->is_live())),
      callbacks(std::move(its_callbacks)),
      visible_feed("visible", live, live ? live_depth : file_depth, live ? Full::drop_oldest : Full::wait),
      infrared_feed("infrared", live, live ? live_depth : file_depth, live ? Full::drop_oldest : Full::wait),
      tap("fused", false, [this](const Frame& frame) { on_fused(frame); }),
      rendezvous({[this](const Frame& frame) { feed_visible(frame); },
                  [this](const Frame& frame) {
                    infrared_announced = true;
                    feed_infrared(frame);
                  },
                  [this](const Frame& frame) { no_infrared(frame); }}) {
  make_pipeline(options);
  make_sources();
}

void Fusion::State::make_pipeline(const CommonOptions& options) {
  pipeline.reset(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new("fusion"))));
  const auto add = [this](GstElement* element) {
    gst_bin_add(GST_BIN(pipeline.get()), element);
    return element;
  };
  digfusion = add(make_element("digfusion", "digfusion"));
  options.apply_fusion(digfusion);
  // A lost infrared camera comes back some time; until then the visible picture is better than none, and the
  // status says so. What it is too slow for is left out before it (rendezvous.h), which counts on getting back
  // every picture that it gives.
  g_object_set(digfusion, "max-failures", 0u, "qos", FALSE, nullptr);
  for (const Feed* feed : {&visible_feed, &infrared_feed})
    if (!gst_element_link_pads(add(feed->element()), "src", digfusion, GST_OBJECT_NAME(feed->element())))
      throw Failure("the fusion's pipeline can't be linked");
  if (!gst_element_link(digfusion, add(tap.element())))
    throw Failure("the fusion's pipeline can't be linked");
}

void Fusion::State::make_sources() {
  const auto to_visible = [this](const Frame& frame) { on_visible(frame); };
  const auto to_infrared = [this](const Frame& frame) { on_infrared(frame); };
  if (!sources.pattern.empty()) {
    scene = std::make_unique<SceneSource>(program, sources, live, to_visible, to_infrared,
                                          [this](bool is_visible) { source_ended(is_visible); });
    return;
  }
  const auto changed = [this](const CameraStatus&) { on_change(); };
  visible = std::make_unique<Camera>(program, "visible", *sources.visible, sources, live,
                                     Camera::Callbacks{to_visible, changed});
  infrared = std::make_unique<Camera>(program, "infrared", *sources.infrared, sources, live,
                                      Camera::Callbacks{to_infrared, changed});
}

void Fusion::State::start() {
  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  // The libraries are loaded here, which takes its time, and before the base time is taken.
  GstStateChangeReturn change = gst_element_set_state(pipeline.get(), GST_STATE_READY);
  if (change != GST_STATE_CHANGE_FAILURE) {
    base_time = gst_clock_get_time(clock.get());
    gst_pipeline_use_clock(GST_PIPELINE(pipeline.get()), clock.get());
    gst_element_set_start_time(pipeline.get(), GST_CLOCK_TIME_NONE);
    // To the element it is a while ago, so that what is on its way isn't late. Telling it a latency instead
    // would make it queue pictures for as long.
    const milliseconds shift = live ? sources.jitter_buffer + leeway : milliseconds(0);
    gst_element_set_base_time(pipeline.get(), base_time + GST_MSECOND * guint64(shift.count()));
    change = gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  }
  if (change == GST_STATE_CHANGE_FAILURE) {
    const MiniPtr<GstMessage> message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
    throw Failure(message ? "the fusion: " + error_text(message.get()) : "the fusion can't be started");
  }
  watch = MainSource::bus(bus.get(), [this](GstMessage* message) {
    program.guarded([this, message] { on_message(message); })();
  });
  ticker = MainSource::timer(200, program.guarded([this] { tick(); }));
  if (scene) scene->start(clock.get(), base_time);
  for (Camera* camera : {visible.get(), infrared.get()})
    if (camera) camera->start(clock.get(), base_time);
}

void Fusion::State::stop() {
  over = true;
  watch = {};
  ticker = {};
  // First: whoever waits for room in its queues is freed.
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  for (Camera* camera : {visible.get(), infrared.get()})
    if (camera) camera->stop();
  if (scene) scene->stop();
}

void Fusion::State::end(milliseconds patience) {
  if (give_up) return;
  give_up = SteadyClock::now() + patience;
  rendezvous.flush();
  visible_feed.end();
  infrared_feed.end();
}

void Fusion::State::finish() {
  if (over.exchange(true)) return;
  program.post([this, alive = std::weak_ptr<const int>(alive)] {
    if (!alive.expired() && callbacks.on_end) callbacks.on_end();
  });
}

void Fusion::State::tick() {
  rendezvous.check();
  const auto now = SteadyClock::now();
  if (give_up && now > *give_up) finish();
  std::optional<SteadyClock::time_point> since;
  {
    const std::lock_guard lock(mutex);
    since = first_came;
  }
  // Where the visible camera has gone, no picture tells that the time is over.
  if (live && since && limits.duration.count() > 0 && now - *since > limits.duration) finish();
}

// ---- pictures, on streaming threads

void Fusion::State::on_visible(const Frame& frame) {
  if (callbacks.on_visible) callbacks.on_visible(frame);
  if (live)
    rendezvous.visible(frame);
  else
    feed_visible(frame);
}

void Fusion::State::on_infrared(const Frame& frame) {
  if (callbacks.on_infrared) callbacks.on_infrared(frame);
  if (live)
    rendezvous.infrared(frame);
  else
    feed_infrared(frame);
}

// Remembered are the pictures that go to the element, not those that are left out: however slow the fusion, a
// fused picture's sources are then among the last few.
void Fusion::State::feed_visible(const Frame& frame) {
  recent_visible.push(frame);
  visible_feed.push(frame);
}

void Fusion::State::feed_infrared(const Frame& frame) {
  recent_infrared.push(frame);
  infrared_feed.push(frame);
}

void Fusion::State::no_infrared(const Frame& frame) {
  // Told of a gap, the element doesn't wait. A gap lies in a segment, and that comes after caps: those of the
  // visible stream do until the infrared camera has shown its own.
  if (!std::exchange(infrared_announced, true)) {
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    infrared_feed.set_caps(frame.caps());
    infrared_feed.send(gst_event_new_segment(&segment));
  }
  infrared_feed.send(gap_beside(frame));
}

void Fusion::State::on_fused(const Frame& frame) {
  if (live) rendezvous.done();
  if (over) return;
  const auto now = SteadyClock::now();
  {
    const std::lock_guard lock(mutex);
    if (!first) {
      first = frame;
      first_came = now;
    }
    const GstClockTime played = frame.time() - std::min(first->time(), frame.time());
    if (limits.duration.count() > 0 && played >= GST_MSECOND * guint64(limits.duration.count())) {
      finish();
      return;
    }
    const auto late = GST_CLOCK_DIFF(base_time + frame.time(), gst_clock_get_time(clock.get()));
    const double weight = out.total() == 0 ? 1.0 : 1.0 / std::max(1.0, out.rate(now));
    if (live) delay += weight * (static_cast<double>(late) / GST_MSECOND - delay);
  }
  out.count(now);
  if (callbacks.on_fused) callbacks.on_fused(frame);
  if (limits.frames > 0 && out.total() >= limits.frames) finish();
}

// ---- main thread

void Fusion::State::source_ended(bool is_visible) {
  if (!is_visible) {
    rendezvous.infrared_ended();
    infrared_feed.end();
  } else {
    rendezvous.flush();
    visible_feed.end();
  }
}

void Fusion::State::on_change() {
  for (Camera* camera : {visible.get(), infrared.get()}) {
    if (!camera) continue;
    const CameraStatus now = camera->status();
    if (now.state == CameraState::failed) return program.fail(camera->description() + ": " + now.problem);
    if (now.state == CameraState::ended) source_ended(camera == visible.get());
  }
  if (callbacks.on_change) callbacks.on_change();
}

void Fusion::State::on_message(GstMessage* message) {
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR:
      program.fail("the fusion: " + error_text(message));
      break;
    case GST_MESSAGE_WARNING: {
      GError* warning = nullptr;
      gst_message_parse_warning(message, &warning, nullptr);
      // Without an infrared camera pictures pass unfused, which its state has told.
      if (const bool is_told = warning->domain == GST_STREAM_ERROR && infrared &&
                               infrared->status().state != CameraState::playing;
          !is_told)
        if (const auto text = warnings.add(warning->message)) program.warn("the fusion: " + *text);
      g_clear_error(&warning);
      break;
    }
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency(GST_BIN(pipeline.get()));
      break;
    case GST_MESSAGE_EOS:
      finish();
      break;
    default:
      break;
  }
}

FusionStatus Fusion::State::status() const {
  FusionStatus status;
  status.visible = scene ? scene->visible() : visible->status();
  status.infrared = scene ? scene->infrared() : infrared->status();
  status.left_out = rendezvous.left_out();
  status.rate = out.rate();
  {
    const std::lock_guard lock(mutex);
    status.delay = delay;
  }
  GstStructure* raw = nullptr;
  g_object_get(digfusion, "stats", &raw, nullptr);
  const std::unique_ptr<GstStructure, FreeStructure> stats(raw);
  guint64 frames = 0, passed_through = 0;
  gst_structure_get(stats.get(), "frames", G_TYPE_UINT64, &frames, "passed-through", G_TYPE_UINT64,
                    &passed_through, nullptr);
  gst_structure_get_double(stats.get(), "total-mean-ms", &status.milliseconds);
  status.fused = frames - std::min(frames, passed_through);
  status.unfused = passed_through;
  status.device = text_in(stats.get(), "device");
  status.model = text_in(stats.get(), "model");
  return status;
}

// ---- the class

Fusion::Fusion(Program& program, const CommonOptions& options, Hurry hurry, Callbacks callbacks)
    : state_(std::make_unique<State>(program, options, hurry, std::move(callbacks))) {}

Fusion::~Fusion() { stop(); }

void Fusion::start() { state_->start(); }
void Fusion::end(milliseconds patience) { state_->end(patience); }
void Fusion::stop() { state_->stop(); }
bool Fusion::is_live() const { return state_->live; }
FusionStatus Fusion::status() const { return state_->status(); }
const RecentFrames& Fusion::visible() const { return state_->recent_visible; }
const RecentFrames& Fusion::infrared() const { return state_->recent_infrared; }
GstClock* Fusion::clock() const { return state_->clock.get(); }
GstClockTime Fusion::base_time() const { return state_->base_time; }

}  // namespace digfusion::pipelines
