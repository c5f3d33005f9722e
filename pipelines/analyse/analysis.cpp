// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/analysis.h"

#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "pipelines/analyse/graph.h"
#include "pipelines/analyse/lines.h"
#include "pipelines/analyse/mqtt.h"
#include "pipelines/common/failure.h"
#include "pipelines/common/fusion.h"
#include "pipelines/common/program.h"

namespace digfusion::pipelines {
namespace {

constexpr unsigned refresh_interval = 250;  ///< milliseconds

bool is_live(const SourceOptions& sources) {
  return !sources.pattern.empty() || sources.visible->is_live() || sources.infrared->is_live();
}

/// Whether each picture is looked at, or the newest one.
Hurry hurry_of(const AnalyseOptions& options, const SourceOptions& sources) {
  if (options.every_frame && sources.pattern.empty() && is_live(sources))
    throw UsageFailure("--every-frame is for files and scenes: a camera doesn't wait");
  const bool scene_kept = !sources.pattern.empty() && !options.snapshot.empty();
  return options.every_frame || scene_kept || !is_live(sources) ? Hurry::keep_all : Hurry::keep_up;
}

/// What is known of a picture before it goes into the graph.
struct Known {
  GstClockTime time = 0;
  std::uint64_t number = 0;
  bool fused = true;
};

/// Remembers it until the picture comes out again, or one after it.
class Journal {
 public:
  void push(const Known& known) {
    const std::lock_guard lock(mutex_);
    on_their_way_.push_back(known);
  }
  Known pop(GstClockTime time) {
    const std::lock_guard lock(mutex_);
    Known known;
    while (!on_their_way_.empty() && on_their_way_.front().time <= time) {
      known = on_their_way_.front();
      on_their_way_.pop_front();
    }
    return known;
  }

 private:
  std::mutex mutex_;  ///< a leaf
  std::deque<Known> on_their_way_;
};

class Analysis {
 public:
  Analysis(const AnalyseOptions& options, const CommonOptions& common);
  int run();

 private:
  void add_sinks(Full full);
  void make_display(const SourceOptions& sources);
  void on_fused(const Frame& frame);     ///< the fusion's thread
  void on_analysed(const Frame& frame);  ///< the graph's thread
  void write(const Frame& frame, const Known& known);
  void on_key(const std::string& key);
  void finish();

  const AnalyseOptions options_;
  Program program_;
  Journal journal_;
  std::uint64_t frames_ = 0, unfused_ = 0;  ///< of the fusion's thread
  // The first is destroyed last: who pushes goes before what it pushes to.
  std::vector<std::unique_ptr<LineSink>> sinks_;
  std::optional<Display> display_;
  std::optional<Graph> graph_;
  std::optional<Fusion> fusion_;
};

Analysis::Analysis(const AnalyseOptions& options, const CommonOptions& common)
    : options_(options), program_(program_name, common.quiet()) {
  if (!options.detect && !options.motion)
    throw UsageFailure("--no-detection leaves nothing to do without --motion");
  const SourceOptions sources = common.sources();
  const Hurry hurry = hurry_of(options, sources);
  const bool keeps_all = hurry == Hurry::keep_all;

  GraphOptions graph;
  if (options.motion) graph.motion = options.motion_sensitivity;
  if (options.detect) graph.detector = make_detector(options.detector);
  graph.pace = keeps_all ? Pace::every_frame : Pace::newest_frame;
  graph.draw = options.shows();
  add_sinks(keeps_all ? Full::wait : Full::drop_oldest);

  fusion_.emplace(program_, common, hurry,
                  Fusion::Callbacks{.on_fused = [this](Frame frame) { on_fused(frame); },
                                    .on_visible =
                                        [this](Frame frame) {
                                          if (display_) display_->on_visible(frame);
                                        },
                                    .on_infrared =
                                        [this](Frame frame) {
                                          if (display_) display_->on_infrared(frame);
                                        },
                                    .on_change = {},
                                    .on_end = [this] { graph_->end(); }});
  if (options.shows()) make_display(sources);
  graph_.emplace(
      program_, std::move(graph), [this](Frame frame) { on_analysed(frame); },
      [this] { program_.post([this] { finish(); }); });
}

void Analysis::add_sinks(Full full) {
  if (!options_.mqtt.empty()) {
    MqttAddress address = parse_mqtt(options_.mqtt);
    if (const char* password = std::getenv("DIGFUSION_MQTT_PASSWORD"); password && address.password.empty())
      address.password = password;
    sinks_.push_back(std::make_unique<MqttSink>(program_, address, options_.mqtt_ca));
  }
  if (options_.mqtt.empty() || !options_.json.empty())
    sinks_.push_back(std::make_unique<FileSink>(options_.json.empty() ? "-" : options_.json, full,
                                                [this](const std::string& problem) {
                                                  if (problem.empty())
                                                    program_.quit();
                                                  else
                                                    program_.fail(problem);
                                                }));
}

void Analysis::make_display(const SourceOptions& sources) {
  DisplayOptions display = options_.display;
  display.live = fusion_->is_live();
  display.title = "digfusion: what is found in " +
                  (sources.pattern.empty() ? sources.visible->text() + " and " + sources.infrared->text()
                                           : "the scene " + sources.pattern);
  if (!options_.window && !options_.has_sink()) display.sink = "fakesink";
  display_.emplace(program_, display,
                   Display::Callbacks{.on_close =
                                          [this](const std::string& problem) {
                                            if (problem.empty())
                                              program_.quit();
                                            else
                                              program_.fail(problem);
                                          },
                                      .on_key = [this](const std::string& key) { on_key(key); }});
}

int Analysis::run() {
  if (display_) program_.every(refresh_interval, [this] { display_->refresh(fusion_->status()); });
  fusion_->start();
  const int exit_code = program_.run([this] { fusion_->end(); });
  // From the end of the pictures' way: whoever waits for the next to take them is freed.
  for (const auto& sink : sinks_) sink->close();
  graph_->stop();
  fusion_->stop();
  return exit_code;
}

void Analysis::on_fused(const Frame& frame) {
  // The element counts a picture that it passes on unfused before it sends it, in this thread.
  const std::uint64_t unfused = fusion_->status().unfused;
  journal_.push({frame.time(), frames_++, std::exchange(unfused_, unfused) == unfused});
  graph_->push(frame);
}

void Analysis::on_analysed(const Frame& frame) {
  write(frame, journal_.pop(frame.time()));
  if (display_) display_->on_fused(frame, fusion_->visible(), fusion_->infrared());
}

void Analysis::write(const Frame& frame, const Known& known) {
  const Findings findings = read_findings(frame.buffer());
  if (findings.empty() && !options_.all_frames) return;
  // The wall clock's time at this picture's running time: the moment of the picture, if a camera made it.
  const GstClockTimeDiff ago =
      GST_CLOCK_DIFF(frame.time(), gst_clock_get_time(fusion_->clock()) - fusion_->base_time());
  const GstVideoInfo info = frame.info();
  const std::string line =
      json_line({.time = std::chrono::system_clock::now() - std::chrono::nanoseconds(ago),
                 .running_time = static_cast<double>(frame.time()) / GST_SECOND,
                 .frame = known.number,
                 .size = {info.width, info.height},
                 .fused = known.fused},
                findings);
  for (const auto& sink : sinks_) sink->write(line);
}

void Analysis::on_key(const std::string& key) {
  for (const ViewInfo& view : view_table())
    if (key == view.key) display_->set_view(view.value);
  if (key == "t") display_->set_statistics(!display_->statistics());
  if (key == "q" || key == "Escape") program_.quit();
}

/// Everything has come out of the graph.
void Analysis::finish() {
  if (options_.snapshot.empty()) return program_.quit();
  display_->refresh(fusion_->status());
  display_->snapshot(options_.snapshot, [this](const std::string& problem) {
    if (problem.empty())
      program_.quit();
    else
      program_.fail("--snapshot: " + problem);
  });
}

}  // namespace

int run_analysis(const AnalyseOptions& options, const CommonOptions& common) {
  return Analysis(options, common).run();
}

}  // namespace digfusion::pipelines
