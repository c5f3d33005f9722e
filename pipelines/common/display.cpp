// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/display.h"

#include <gst/video/navigation.h>

#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "pipelines/common/bridge.h"
#include "pipelines/common/failure.h"
#include "pipelines/common/main_source.h"
#include "pipelines/common/notice.h"
#include "pipelines/common/overlay.h"
#include "pipelines/common/sink.h"
#include "pipelines/common/snapshot.h"

namespace digfusion::pipelines {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr Seconds silence{2};           ///< that makes a stream lost
constexpr Seconds renewal{0.2};         ///< of a picture that nothing follows: its texts have changed
constexpr double fusion_intervals = 3;  ///< of a slow fusion, that may pass without a fused picture

/// The last picture of a stream.
struct Stream {
  Frame frame;
  Clock::time_point arrived;
};

}  // namespace

void add_display_options(CLI::App& app, DisplayOptions& options) {
  std::vector<std::string> nicks;
  std::string blurb = "what is shown:";
  for (const ViewInfo& view : view_table()) {
    nicks.push_back(view.nick);
    blurb += std::string(nicks.size() > 1 ? ";" : "") + " " + view.nick + ", " + view.blurb;
  }
  app.add_option_function<std::string>(
         "--view", [&options](const std::string& nick) { options.view = *find_view(nick); }, blurb)
      ->check(CLI::IsMember(nicks))
      ->type_name("VIEW")
      ->default_str(nicks.front());
  app.add_flag("--statistics", options.statistics,
               "show the cameras' and the fusion's state and speed over the picture");
  app.add_option("--sink", options.sink,
                 "where pictures are shown, as for gst-launch-1.0: \"waylandsink fullscreen=true\", fakesink")
      ->type_name("DESCRIPTION")
      ->default_str("a window");
}

struct Display::State : std::enable_shared_from_this<State> {
  State(Program& owner, const DisplayOptions& given, Callbacks to_call)
      : program(owner),
        options(given),
        callbacks(std::move(to_call)),
        feed("pictures", true, 2, Full::drop_oldest),
        view(given.view),
        statistics(given.statistics) {}
  ~State();

  void build();
  void start();
  void watch_keys(GstElement* before_sink);
  void on_error(GstMessage* message);
  std::string start_failure();

  const Stream& stream(View which) const;
  bool is_fresh(const Stream& stream, double further_seconds = 0) const;
  std::optional<View> leader() const;
  void take(Stream& stream, View which, const Frame& frame);
  void show();
  void set_labels(std::optional<View> lead);

  Program& program;
  const DisplayOptions options;
  const Callbacks callbacks;

  // --- the pipeline, built once
  Feed feed;
  ObjectPtr<GstElement> pipeline;
  GstElement* sink = nullptr;  ///< borrowed
  std::optional<Overlay> overlay;
  std::optional<Snapshot> snapshots;
  MainSource messages;

  /// Protects what follows. GStreamer's locks are taken under it, never the other way round.
  mutable std::mutex mutex;
  View view;
  bool statistics;
  Stream fused, visible, infrared;
  Frame fused_visible, fused_infrared;  ///< that the fused picture was made of
  double fusing = 0;                    ///< seconds that a picture takes to fuse
  Layout one, side_by_side;
  Clock::time_point shown;  ///< when a picture was shown last
  bool broken = false;      ///< a picture couldn't be arranged, which has been said
};

// ---- the pipeline

void Display::State::build() {
  GstElement* made_sink = make_sink(options.sink.empty() ? choose_window_sink() : options.sink);
  pipeline.reset(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new("display"))));
  auto* bin = GST_BIN(pipeline.get());
  gst_bin_add_many(bin, feed.element(), made_sink, nullptr);
  sink = made_sink;
  overlay.emplace(bin);
  GstElement* convert = make_element("videoconvert");
  gst_bin_add(bin, convert);
  GstElement* title = make_title_element(options.title);
  gst_bin_add(bin, title);
  GstElement* scale = make_element("videoscale");  // for sinks that can't fill their window themselves
  gst_bin_add(bin, scale);
  if (!gst_element_link(feed.element(), overlay->first()) ||
      !gst_element_link_many(overlay->last(), convert, title, scale, sink, nullptr))
    throw UsageFailure("--sink " + options.sink + ": it doesn't take raw pictures");
  watch_keys(scale);
  snapshots.emplace(ObjectPtr<GstPad>(gst_element_get_static_pad(overlay->last(), "src")).get());
}

void Display::State::start() {
  if (gst_element_set_state(pipeline.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    throw Failure(start_failure());
  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  messages = MainSource::bus(bus.get(), [this](GstMessage* message) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) program.guarded([&] { on_error(message); })();
  });
}

Display::State::~State() {
  if (pipeline) gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}

/// Why the pipeline didn't start.
std::string Display::State::start_failure() {
  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  const MiniPtr<GstMessage> message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
  return (options.sink.empty() ? "" : "--sink " + options.sink + ": ") +
         (message ? explain(message.get(), "the window").text : "the window can't be opened");
}

/// Keys in a window travel upstream as events.
void Display::State::watch_keys(GstElement* before_sink) {
  const ObjectPtr<GstPad> pad(gst_element_get_static_pad(before_sink, "src"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
        const char* key = nullptr;
        if (GST_EVENT_TYPE(event) != GST_EVENT_NAVIGATION) return GST_PAD_PROBE_OK;
        if (gst_navigation_event_get_type(event) == GST_NAVIGATION_EVENT_KEY_PRESS &&
            gst_navigation_event_parse_key_event(event, &key) && key) {
          auto* state = static_cast<State*>(data);
          state->program.post([to = state->weak_from_this(), name = std::string(key)] {
            if (const auto state = to.lock()) state->callbacks.on_key(name);
          });
        }
        return GST_PAD_PROBE_DROP;
      },
      this, nullptr);
}

void Display::State::on_error(GstMessage* message) {
  const auto kept = shared_from_this();
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  // X and Wayland sinks alike say this when their window was closed, and nothing else that way.
  const bool closed = gst_object_has_as_ancestor(GST_MESSAGE_SRC(message), GST_OBJECT(sink)) &&
                      g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
  g_clear_error(&error);
  const std::string problem = closed ? std::string() : explain(message, "the window").text;
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  callbacks.on_close(problem);
}

// ---- what is shown; all with the mutex held

const Stream& Display::State::stream(View which) const {
  return which == View::visible ? visible : which == View::infrared ? infrared : fused;
}

bool Display::State::is_fresh(const Stream& stream, double further_seconds) const {
  return stream.frame &&
         (!options.live || Clock::now() - stream.arrived < silence + Seconds(further_seconds));
}

/// The stream whose pictures are shown as they come; nothing: none comes that could be.
std::optional<View> Display::State::leader() const {
  if (view == View::visible || view == View::infrared)
    return is_fresh(stream(view)) ? std::optional(view) : std::nullopt;
  const bool visible_comes = is_fresh(visible);
  if (is_fresh(fused, visible_comes ? fusion_intervals * fusing : 0)) return View::fused;
  if (visible_comes) return View::visible;
  return is_fresh(infrared) ? std::optional(View::infrared) : std::nullopt;
}

void Display::State::take(Stream& stream, View which, const Frame& frame) {
  stream = {frame, Clock::now()};
  if (leader() == which) show();
}

void Display::State::show() try {
  const auto lead = leader();
  Frame picture;
  if (view == View::side_by_side) {
    const bool whole = lead == View::fused;
    const std::array<Frame, 3> pictures = {
        is_fresh(visible) ? (whole ? fused_visible : visible.frame) : Frame(),
        is_fresh(infrared) ? (whole ? fused_infrared : infrared.frame) : Frame(),
        whole ? fused.frame : Frame()};
    picture = side_by_side.arrange(pictures);
  } else {
    const Frame single = lead ? stream(*lead).frame : Frame();
    picture = one.arrange({&single, 1});
  }
  overlay->resize(picture.info().height);
  set_labels(lead);
  feed.push(picture.at(gst_element_get_current_running_time(pipeline.get())));
  shown = Clock::now();
} catch (const Failure& failure) {
  if (!std::exchange(broken, true)) program.warn(failure.what());
}

void Display::State::set_labels(std::optional<View> lead) {
  std::vector<Overlay::Label> labels;
  const auto add = [&](View which, double middle) { labels.push_back({info_of(which).nick, middle}); };
  if (statistics && view == View::side_by_side) {
    std::size_t index = 0;
    for (const View which : {View::visible, View::infrared, View::fused})
      add(which, side_by_side.middle(index++));
  } else if (statistics) {
    add(lead.value_or(view), 0.5);
  }
  overlay->set_labels(labels);
}

// ---- what others call

Display::Display(Program& program, const DisplayOptions& options, Callbacks callbacks)
    : state_(std::make_shared<State>(program, options, std::move(callbacks))) {
  state_->build();
  state_->start();
}

Display::~Display() = default;

void Display::on_fused(const Frame& fused, const RecentFrames& visible, const RecentFrames& infrared) {
  const std::lock_guard lock(state_->mutex);
  state_->fused_visible = visible.nearest(fused.time());
  state_->fused_infrared = infrared.nearest(fused.time());
  state_->take(state_->fused, View::fused, fused);
}

void Display::on_visible(const Frame& visible) {
  const std::lock_guard lock(state_->mutex);
  state_->take(state_->visible, View::visible, visible);
}

void Display::on_infrared(const Frame& infrared) {
  const std::lock_guard lock(state_->mutex);
  state_->take(state_->infrared, View::infrared, infrared);
}

void Display::refresh(const FusionStatus& status, const std::string& notice, const std::string& help) {
  const std::lock_guard lock(state_->mutex);
  State& state = *state_;
  state.fusing = status.milliseconds / 1000;
  std::string lines;
  const auto add = [&lines](const std::string& line) { lines += (lines.empty() ? "" : "\n") + line; };
  if (state.statistics)
    for (const std::string& line : status_lines(status)) add(line);
  if (!help.empty()) add(lines.empty() ? help : "\n" + help);
  state.overlay->set_lines(lines);

  lines = notice;
  const Shown shown{state.view, state.leader(), state.is_fresh(state.visible),
                    state.is_fresh(state.infrared)};
  if (const std::string amiss = notice_of(shown, status); !amiss.empty()) add(amiss);
  state.overlay->set_notice(lines);

  if (!shown.stream || Clock::now() - state.shown > renewal) state.show();
}

void Display::set_view(View view) {
  const std::lock_guard lock(state_->mutex);
  state_->view = view;
  state_->show();
}

View Display::view() const {
  const std::lock_guard lock(state_->mutex);
  return state_->view;
}

void Display::set_statistics(bool shown) {
  const std::lock_guard lock(state_->mutex);
  state_->statistics = shown;
}

bool Display::statistics() const {
  const std::lock_guard lock(state_->mutex);
  return state_->statistics;
}

void Display::snapshot(const std::string& path, std::function<void(const std::string&)> done) {
  state_->snapshots->take(path, std::move(done));
  const std::lock_guard lock(state_->mutex);
  state_->show();
}

}  // namespace digfusion::pipelines
