// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Hours of two faulty live cameras in minutes: the element between them on a clock that runs faster, with
// drift, jitter, drops, a shutter, cables that come loose, sources that reconnect, caps that change, and each
// loss policy in turn. Fails when memory or delay grow, pictures don't meet that should, or a policy doesn't
// do what it says. With --report a diagram of memory and delay, and the figures.
#include <gst/app/gstappsink.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/tools/plot.h"
#include "tests/soak/camera.h"
#include "tests/soak/fastclock.h"

namespace digfusion::test {
namespace {

constexpr GstClockTime second = GST_SECOND, minute = 60 * GST_SECOND;
constexpr double fps = 30;
constexpr double jitter_ms = 3;

double megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "RssAnon:") {
      double kilobytes = 0;
      status >> kilobytes;
      return kilobytes / 1000;
    }
  return NAN;
}

double median(std::vector<double> values) {
  if (values.empty()) return NAN;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// What came out in some seconds of stream time.
struct Window {
  double hours = 0, pictures = 0, megabytes = 0, median_ms = 0, longest_ms = 0;
};

class Soak {
 public:
  explicit Soak(double speed);
  ~Soak();
  /// Runs for so much stream time. Returns the number of checks that failed.
  int run(double hours);
  void report(const std::string& folder) const;

 private:
  using Event = std::function<void()>;
  static GstFlowReturn on_sample(GstAppSink* sink, gpointer user);
  static GstBusSyncReply on_message(GstBus* bus, GstMessage* message, gpointer user);
  void look(GstSample* sample);
  void close_window(GstClockTime now);

  GstClockTime now() const;
  void wait_until(GstClockTime running_time) const;
  void set(const char* property, const char* value) {
    gst_util_set_object_arg(G_OBJECT(fusion_), property, value);
  }
  void away(Camera& camera, GstClockTime time);
  std::vector<Event> events();
  std::string error_text() const {
    const std::lock_guard lock(mutex_);
    return error_;
  }
  bool is_fake_core() const;
  bool check(bool holds, const std::string& what);
  std::size_t count(const std::string& message) const;

  GstElement *pipeline_, *fusion_;
  GstClock* clock_;
  std::unique_ptr<Camera> visible_, infrared_;

  mutable std::mutex mutex_;  ///< guards everything below
  std::map<std::string, std::size_t> messages_;
  std::string error_;
  std::uint64_t frames_ = 0, fused_ = 0, unfused_ = 0;
  std::uint64_t quiet_ = 0,
                apart_ = 0;  ///< fused while nothing was wrong; of them, further apart than half a frame
  double worst_ms_ = 0;
  bool trouble_ = false;  ///< something is wrong by intention
  GstClockTime window_start_ = 0;
  std::vector<double> delays_;
  std::vector<Window> windows_;
  int failed_ = 0;
};

Soak::Soak(double speed) {
  pipeline_ = gst_pipeline_new(nullptr);
  fusion_ = gst_element_factory_make("digfusion", nullptr);
  GstElement* sink = gst_element_factory_make("appsink", nullptr);
  if (!fusion_ || !sink) throw std::runtime_error("no element digfusion or appsink; set GST_PLUGIN_PATH");
  // At this speed the machine's scheduling alone makes pictures late; a second of patience is some
  // milliseconds.
  g_object_set(fusion_, "latency", guint64{second}, "max-failures", 0u, "max-infrared-age", guint64{second},
               "max-visible-age", guint64{second}, nullptr);
  g_object_set(sink, "sync", FALSE, "async", FALSE, "emit-signals", TRUE, "max-buffers", 8u, nullptr);
  g_signal_connect(sink, "new-sample", G_CALLBACK(&Soak::on_sample), this);
  gst_bin_add_many(GST_BIN(pipeline_), fusion_, sink, nullptr);
  gst_element_link(fusion_, sink);
  visible_ = std::make_unique<Camera>(pipeline_, fusion_,
                                      CameraSettings{.pad = "visible",
                                                     .fps = fps,
                                                     .drops = 0.01,
                                                     .jitter = GstClockTime(jitter_ms * GST_MSECOND),
                                                     .seed = 1});
  infrared_ = std::make_unique<Camera>(pipeline_, fusion_,
                                       CameraSettings{.pad = "infrared",
                                                      .fps = fps,
                                                      .drift_ppm = 200,
                                                      .drops = 0.01,
                                                      .jitter = GstClockTime(jitter_ms * GST_MSECOND),
                                                      .shutter_interval = 3 * minute,
                                                      .shutter_length = 1500 * GST_MSECOND,
                                                      .seed = 2});
  clock_ = new_fast_clock(speed);
  gst_pipeline_use_clock(GST_PIPELINE(pipeline_), clock_);
  GstBus* bus = gst_element_get_bus(pipeline_);
  gst_bus_set_sync_handler(bus, &Soak::on_message, this, nullptr);
  gst_object_unref(bus);
}

Soak::~Soak() {
  visible_->stop();
  infrared_->stop();
  gst_element_set_state(pipeline_, GST_STATE_NULL);
  gst_object_unref(pipeline_);
  gst_object_unref(clock_);
}

GstClockTime Soak::now() const { return gst_clock_get_time(clock_) - gst_element_get_base_time(pipeline_); }

void Soak::wait_until(GstClockTime running_time) const {
  GstClockID id = gst_clock_new_single_shot_id(clock_, gst_element_get_base_time(pipeline_) + running_time);
  gst_clock_id_wait(id, nullptr);
  gst_clock_id_unref(id);
}

GstFlowReturn Soak::on_sample(GstAppSink* sink, gpointer user) {
  GstSample* sample = gst_app_sink_pull_sample(sink);
  if (!sample) return GST_FLOW_EOS;
  static_cast<Soak*>(user)->look(sample);
  gst_sample_unref(sample);
  return GST_FLOW_OK;
}

void Soak::look(GstSample* sample) {
  const GstClockTime arrived = now();
  const double delay = GST_CLOCK_DIFF(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), arrived) / 1e6;
  const Codes codes = codes_of(sample);
  const std::lock_guard lock(mutex_);
  ++frames_;
  delays_.push_back(delay);
  const double apart =
      codes.visible && codes.infrared ? std::abs(double(*codes.visible) - double(*codes.infrared)) : HUGE_VAL;
  if (apart < 10'000) {  // else it is faded in, and shows neither
    ++fused_;
    if (!trouble_) {
      ++quiet_;
      if (apart > 500 / fps + 2 * jitter_ms + 1) ++apart_;
      worst_ms_ = std::max(worst_ms_, apart);
    }
  } else {
    ++unfused_;
  }
  if (arrived - window_start_ >= 10 * second) close_window(arrived);
}

void Soak::close_window(GstClockTime time) {
  malloc_trim(0);  // what is free but kept by the allocator is no leak
  windows_.push_back({double(time) / double(60 * minute), double(delays_.size()), megabytes(),
                      median(delays_), *std::max_element(delays_.begin(), delays_.end())});
  delays_.clear();
  window_start_ = time;
}

GstBusSyncReply Soak::on_message(GstBus*, GstMessage* message, gpointer user) {
  Soak& self = *static_cast<Soak*>(user);
  const std::lock_guard lock(self.mutex_);
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ELEMENT:
      ++self.messages_[gst_structure_get_name(gst_message_get_structure(message))];
      break;
    case GST_MESSAGE_ERROR: {
      GError* error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      if (self.error_.empty()) self.error_ = error->message;
      g_error_free(error);
      break;
    }
    default:
      ++self.messages_[gst_message_type_get_name(GST_MESSAGE_TYPE(message))];
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

std::size_t Soak::count(const std::string& message) const {
  const std::lock_guard lock(mutex_);
  const auto at = messages_.find(message);
  return at == messages_.end() ? 0 : at->second;
}

void Soak::away(Camera& camera, GstClockTime time) {
  camera.unplug(true);
  wait_until(now() + time);
  camera.unplug(false);
}

std::vector<Soak::Event> Soak::events() {
  std::vector<Event> list;
  for (const char* policy : {"pass", "freeze", "blank"}) {
    list.push_back([this, policy] {
      set("infrared-loss-policy", policy);
      away(*infrared_, 4 * second);
    });
  }
  for (const char* policy : {"pass", "freeze", "blank", "wait"}) {
    list.push_back([this, policy] {
      set("visible-loss-policy", policy);
      away(*visible_, 4 * second);
    });
  }
  for (Camera* camera : {infrared_.get(), visible_.get()}) {
    list.push_back([this, camera] {
      camera->unplug(true);
      wait_until(now() + 2 * second);
      camera->reconnect();
      camera->unplug(false);
    });
  }
  list.push_back([this, size = 32]() mutable { visible_->set_size(size = 80 - size); });
  list.push_back([this, size = 32]() mutable { infrared_->set_size(size = 72 - size); });
  list.push_back([this] {
    visible_->unplug(true);
    away(*infrared_, 4 * second);
    visible_->unplug(false);
  });
  list.push_back([this] {
    set("lead", "infrared");
    wait_until(now() + 20 * second);
    away(*visible_, 4 * second);
    set("lead", "visible");
  });
  return list;
}

bool Soak::is_fake_core() const {
  GstStructure* stats = nullptr;
  g_object_get(fusion_, "stats", &stats, nullptr);
  const char* device = gst_structure_get_string(stats, "device");
  const bool is_fake = device && std::string(device) == "fake";
  gst_structure_free(stats);
  return is_fake;
}

bool Soak::check(bool holds, const std::string& what) {
  std::cout << (holds ? "ok      " : "FAILED  ") << what << std::endl;
  failed_ += !holds;
  return holds;
}

int Soak::run(double hours) {
  if (gst_element_set_state(pipeline_, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    throw std::runtime_error("the pipeline doesn't play: " + error_text());
  visible_->run();
  infrared_->run();
  const std::vector<Event> list = events();
  {
    const std::lock_guard lock(mutex_);  // the figures' own memory is there from the start
    windows_.resize(static_cast<std::size_t>(hours * 360) + 100);
    windows_.clear();
  }
  const auto minutes = static_cast<std::uint64_t>(std::ceil(hours * 60));
  const auto trouble = [this](bool is) {
    const std::lock_guard lock(mutex_);
    trouble_ = is;
  };
  for (std::uint64_t m = 0; m < minutes; ++m) {
    // What is held for a second, is still on its way, and the shutter, are told apart from quiet times.
    trouble(true);
    if (m > 0) list[(m - 1) % list.size()]();
    wait_until(m * minute + 35 * second);
    trouble(false);
    wait_until((m + 1) * minute - second);
    if (!error_text().empty()) break;
  }
  trouble(true);
  const std::string error = error_text();
  if (!check(error.empty(), "no error on the bus" + (error.empty() ? "" : ": " + error))) return failed_;

  set("infrared-loss-policy", "error");
  infrared_->unplug(true);
  for (int i = 0; i < 100 && error_text().empty(); ++i) g_usleep(100000);
  const std::string last = error_text();
  check(last.find("infrared stream is lost") != std::string::npos,
        "infrared-loss-policy=error ends it: " + last);

  const std::size_t rounds = minutes > 0 ? (minutes - 1) / list.size() : 0;
  for (const auto& [name, least] :
       std::map<std::string, std::size_t>{{"digfusion-infrared-lost", 4 * rounds},
                                          {"digfusion-infrared-recovered", 4 * rounds},
                                          {"digfusion-visible-lost", 4 * rounds},
                                          {"digfusion-visible-recovered", 4 * rounds},
                                          {"digfusion-infrared-frozen", (minutes - 1) / 3},
                                          {"digfusion-infrared-unfrozen", (minutes - 1) / 3}}) {
    const std::size_t seen = count(name);
    check(seen >= least, name + ": " + std::to_string(seen) + " of at least " + std::to_string(least));
  }
  const std::lock_guard lock(mutex_);
  std::cout << "        " << frames_ << " pictures, " << fused_ << " fused, " << unfused_
            << " unfused or black; " << messages_["qos"] << " dropped as late, " << messages_["warning"]
            << " warnings\n";
  // Where the machine has no time, at this speed, pictures are lost as they should be.
  check(double(frames_) > 0.6 * double(minutes) * 60 * fps, "most pictures came out");
  char text[160];
  std::snprintf(text, sizeof text,
                "%.2f %% of %llu pairs in quiet times further apart than half a frame, at most %.0f ms",
                100.0 * double(apart_) / double(std::max<std::uint64_t>(quiet_, 1)),
                (unsigned long long)quiet_, worst_ms_);
  if (is_fake_core())
    check(quiet_ > 0 && double(apart_) < 0.05 * double(quiet_), text);
  else
    std::cout << "        a core that fuses shows no pair's times\n";

  const auto part = [&](double from, double to, double Window::*member) {
    std::vector<double> values;
    for (std::size_t i = 0; i < windows_.size(); ++i)
      if (double(i) >= from * double(windows_.size()) && double(i) < to * double(windows_.size()))
        values.push_back(windows_[i].*member);
    return median(values);
  };
  const double early = part(0.1, 0.4, &Window::megabytes), late = part(0.7, 1, &Window::megabytes);
  std::snprintf(text, sizeof text, "memory: %.1f MB early, %.1f MB late", early, late);
  check(late - early < 4, text);
  const double soon = part(0.1, 0.4, &Window::median_ms), at_last = part(0.7, 1, &Window::median_ms);
  std::snprintf(text, sizeof text, "delay: %.0f ms early, %.0f ms late", soon, at_last);
  check(at_last < 2 * soon + 100, text);
  return failed_;
}

void Soak::report(const std::string& folder) const {
  std::filesystem::create_directories(folder);
  const std::filesystem::path base = folder;
  std::ofstream csv(base / "soak.csv");
  csv << "hours,pictures,megabytes,median_delay_ms,longest_delay_ms\n";
  tools::Curve memory{.label = "memory", .x = {}, .y = {}, .low = {}, .high = {}, .colour = 0};
  tools::Curve middle{.label = "median of 10 s", .x = {}, .y = {}, .low = {}, .high = {}, .colour = 0};
  tools::Curve longest{.label = "longest of 10 s", .x = {}, .y = {}, .low = {}, .high = {}, .colour = 1};
  for (const Window& w : windows_) {
    csv << w.hours << ',' << w.pictures << ',' << w.megabytes << ',' << w.median_ms << ',' << w.longest_ms
        << '\n';
    for (tools::Curve* curve : {&memory, &middle, &longest}) curve->x.push_back(w.hours);
    memory.y.push_back(w.megabytes);
    middle.y.push_back(w.median_ms);
    longest.y.push_back(w.longest_ms);
  }
  const tools::Plot plot{.title = "digfusion between two faulty cameras",
                         .panels = {{.title = "Memory",
                                     .x_label = "hours of stream time",
                                     .y_label = "MB, anonymous",
                                     .curves = {memory}},
                                    {.title = "Delay",
                                     .x_label = "hours of stream time",
                                     .y_label = "ms of stream time",
                                     .curves = {longest, middle}}},
                         .columns = 2};
  if (const auto why_not = tools::write_plot(plot, base / "soak.png")) std::cout << *why_not << "\n";
}

}  // namespace
}  // namespace digfusion::test

int main(int argc, char** argv) {
  double hours = 1, speed = 60;
  std::string folder;
  CLI::App app("Hours of two faulty live cameras through the element digfusion, on a faster clock");
  app.add_option("--hours", hours, "stream time")->capture_default_str()->check(CLI::Range(0.05, 10000.));
  app.add_option("--speed", speed, "how much faster than real time")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 1000.));
  app.add_option("--report", folder, "folder for soak.png and soak.csv");
  CLI11_PARSE(app, argc, argv);
  try {
    gst_init(nullptr, nullptr);
    int failed;
    {
      digfusion::test::Soak soak(speed);
      failed = soak.run(hours);
      if (!folder.empty()) soak.report(folder);
    }
    gst_deinit();
    return failed > 0;
  } catch (const std::exception& error) {
    std::cerr << "soak: " << error.what() << "\n";
    return 1;
  }
}
