// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/camera.h"

#include <gst/pbutils/pbutils.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <gst/pbutils/pbutils.h>
#include "pipelines/common/bridge.h"
#include "pipelines/common/camera_pipeline.h"
#include "pipelines/common/main_source.h"
#include "pipelines/common/meter.h"

namespace digfusion::pipelines {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = Meter::Clock;

constexpr unsigned tick_ms = 100;
/// So long a stream must have played for its next problem to be a new one.
constexpr seconds healthy{10};
/// How often a problem that stays the same is said.
constexpr seconds say_again{600};
/// How long the destructor waits for threads.
constexpr seconds farewell{3};

/// The way out of a connection, which is closed when it is given up: its streaming thread may go on for a
/// while.
class Gate {
 public:
  explicit Gate(std::function<void(Frame)> on_frame) : on_frame_(std::move(on_frame)) {}
  void deliver(Frame frame) {
    const std::lock_guard lock(mutex_);
    if (on_frame_) on_frame_(std::move(frame));
  }
  /// Waits for a picture that is being delivered.
  void close() {
    const std::lock_guard lock(mutex_);
    on_frame_ = nullptr;
  }

 private:
  std::mutex mutex_;  ///< outside the locks of whatever on_frame calls
  std::function<void(Frame)> on_frame_;
};

/// Threads that may still be running, and a way to wait for them that can be given up.
class Threads {
 public:
  void begin() {
    const std::lock_guard lock(mutex_);
    ++running_;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    --running_;
    ended_.notify_all();
  }
  void wait(seconds limit) {
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, limit, [this] { return running_ == 0; });
  }

 private:
  std::mutex mutex_;  ///< a leaf
  std::condition_variable ended_;
  int running_ = 0;
};

/// One try: a pipeline, and the thread that starts it, waits, and takes it down. Lives until that thread has
/// ended, however long the pipeline takes, so it holds nothing of the camera but the gate.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(const Address& address, const SourceOptions& options, bool paced,
             std::function<void(Frame)> on_frame)
      : gate_(std::move(on_frame)),
        tap_("pictures", paced, [this](Frame frame) { gate_.deliver(std::move(frame)); }),
        pipeline_(make_camera_pipeline(address, options, tap_)),
        bus_(gst_element_get_bus(pipeline_.get())) {}

  GstBus* bus() const { return bus_.get(); }

  void start(GstClock* clock, GstClockTime base_time, std::shared_ptr<Threads> threads) {
    gst_pipeline_use_clock(GST_PIPELINE(pipeline_.get()), clock);
    gst_element_set_start_time(pipeline_.get(), GST_CLOCK_TIME_NONE);
    gst_element_set_base_time(pipeline_.get(), base_time);
    threads->begin();
    std::thread([self = shared_from_this(), threads]() mutable {
      self->run();
      self.reset();
      threads->end();
    }).detach();
  }

  void stop() {
    gate_.close();
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    stopping_.notify_all();
  }

 private:
  void run() {
    if (gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
      // Most elements have said why by now; the first message counts.
      GST_ELEMENT_ERROR(pipeline_.get(), RESOURCE, OPEN_READ, ("can't be started"), (nullptr));
    {
      std::unique_lock lock(mutex_);
      stopping_.wait(lock, [this] { return stopped_; });
    }
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }

  Gate gate_;
  Tap tap_;
  const ObjectPtr<GstElement> pipeline_;
  const ObjectPtr<GstBus> bus_;

  std::mutex mutex_;  ///< a leaf
  std::condition_variable stopping_;
  bool stopped_ = false;
};

bool is_retried(Cause cause) { return cause == Cause::unreachable || cause == Cause::other; }

}  // namespace

std::string in_seconds(milliseconds time) { return std::to_string((time.count() + 999) / 1000) + " s"; }

// ---- back-off

BackOff::BackOff(unsigned seed) : random_(seed) {}

milliseconds BackOff::next() {
  const milliseconds longest = std::min<milliseconds>(seconds(1 << std::min(step_++, 5u)), seconds(30));
  std::uniform_int_distribution<milliseconds::rep> shorter(0, longest.count() / 4);
  return longest - milliseconds(shorter(random_));
}

void BackOff::reset() { step_ = 0; }

// ---- the camera

struct Camera::State {
  State(Program& its_program, std::string its_role, Address its_address, const SourceOptions& its_options,
        bool is_paced, Callbacks its_callbacks)
      : program(its_program),
        role(std::move(its_role)),
        address(std::move(its_address)),
        options(its_options),
        paced(is_paced),
        callbacks(std::move(its_callbacks)) {}

  Program& program;
  const std::string role;
  const Address address;
  const SourceOptions options;
  const bool paced;
  const Callbacks callbacks;

  ObjectPtr<GstClock> clock;
  GstClockTime base_time = GST_CLOCK_TIME_NONE;
  std::shared_ptr<Threads> threads = std::make_shared<Threads>();

  // Main thread.
  std::shared_ptr<Connection> connection;
  MainSource watch, ticker;
  MiniPtr<GstMessage> missing;  ///< the last plugin that was found missing
  BackOff back_off{std::random_device{}()};
  Clock::time_point played_since;
  bool had_pictures = false;
  std::string said;  ///< the last problem that the operator was told
  Clock::time_point said_at;

  Meter meter;
  mutable std::mutex mutex;  ///< of all below; a leaf
  CameraState state = CameraState::connecting;
  std::string problem;
  std::uint64_t reconnects = 0;
  int width = 0, height = 0;
  Clock::time_point next_try;

  std::string description() const {
    const bool is_camera = address.transport != Transport::file;
    return "the " + role + (is_camera ? " camera " : " video ") + address.text();
  }

  CameraState current() const {
    const std::lock_guard lock(mutex);
    return state;
  }
  CameraStatus status() const;
  void change(CameraState to, const std::string& why = {});
  void connect();
  void disconnect();
  void tick();
  void pictures_came();
  void lost(Cause cause, const std::string& why);
  void on_message(GstMessage* message);
  void on_frame(Frame frame);
};

CameraStatus Camera::State::status() const {
  CameraStatus status;
  status.frames = meter.total();
  status.rate = meter.rate();
  status.silent = meter.silent();
  const std::lock_guard lock(mutex);
  status.state = state;
  status.problem = problem;
  status.reconnects = reconnects;
  status.width = width;
  status.height = height;
  if (state == CameraState::waiting)
    status.next_try = std::max(milliseconds(0), duration_cast<milliseconds>(next_try - Clock::now()));
  return status;
}

void Camera::State::change(CameraState to, const std::string& why) {
  {
    const std::lock_guard lock(mutex);
    state = to;
    // While it is tried again, what was wrong is still what is wrong.
    if (to != CameraState::connecting) problem = why;
  }
  if (callbacks.on_change) callbacks.on_change(status());
}

void Camera::State::connect() {
  missing.reset();
  meter.restart();
  connection = std::make_shared<Connection>(address, options, paced,
                                            [this](Frame frame) { on_frame(std::move(frame)); });
  watch = MainSource::bus(connection->bus(), [this](GstMessage* message) {
    program.guarded([this, message] { on_message(message); })();
  });
  connection->start(clock.get(), base_time, threads);
  change(CameraState::connecting);
}

void Camera::State::disconnect() {
  watch = {};
  if (connection) connection->stop();
  connection.reset();
}

void Camera::State::on_frame(Frame frame) {
  const GstVideoInfo info = frame.info();
  {
    const std::lock_guard lock(mutex);
    width = GST_VIDEO_INFO_WIDTH(&info);
    height = GST_VIDEO_INFO_HEIGHT(&info);
  }
  meter.count();
  callbacks.on_frame(std::move(frame));
}

void Camera::State::pictures_came() {
  const bool is_back = std::exchange(had_pictures, true);
  std::string size;
  {
    const std::lock_guard lock(mutex);
    if (is_back) ++reconnects;
    size = std::to_string(width) + "x" + std::to_string(height);
  }
  played_since = Clock::now();
  said.clear();
  program.say(description() + ": pictures come" + (is_back ? " again" : "") + ", " + size);
  change(CameraState::playing);
}

void Camera::State::tick() {
  const auto now = Clock::now();
  switch (current()) {
    case CameraState::connecting:
      if (meter.since_restart() > 0)
        pictures_came();
      else if (address.transport != Transport::file && meter.silent() > options.timeout)
        lost(Cause::unreachable, "no picture for " + in_seconds(options.timeout));
      break;
    case CameraState::playing:
      if (now - played_since > healthy) back_off.reset();
      // Where pictures may be held up by whoever takes them, silence says nothing.
      if (address.is_live() && meter.silent() > options.timeout)
        lost(Cause::unreachable, "no picture for " + in_seconds(options.timeout));
      break;
    case CameraState::waiting:
      if (status().next_try == milliseconds(0)) connect();
      break;
    case CameraState::ended:
    case CameraState::failed:
      break;
  }
}

void Camera::State::lost(Cause cause, const std::string& why) {
  disconnect();
  const bool is_worth_it = address.transport != Transport::file && (had_pictures || is_retried(cause));
  if (!is_worth_it) return change(CameraState::failed, why);
  const milliseconds pause = back_off.next();
  {
    const std::lock_guard lock(mutex);
    next_try = Clock::now() + pause;
  }
  if (why != said || Clock::now() - said_at > say_again) {
    program.warn(description() + ": " + why + "; it is tried again in " + in_seconds(pause) +
                 ", and then less and less often");
    said = why;
    said_at = Clock::now();
  }
  change(CameraState::waiting, why);
}

void Camera::State::on_message(GstMessage* message) {
  if (!connection) return;  // given up by the message before
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR: {
      Explanation explanation = explain(message, {}, missing.get());
      if (explanation.cause == Cause::credentials && address.user.empty())
        explanation.text = "it asks for a user name and a password: rtsp://USER:PASSWORD@…, or --credentials";
      lost(explanation.cause, explanation.text);
      break;
    }
    case GST_MESSAGE_ELEMENT:
      if (gst_is_missing_plugin_message(message)) missing.reset(gst_message_ref(message));
      break;
    case GST_MESSAGE_EOS:
      if (meter.since_restart() > 0 && current() == CameraState::connecting) pictures_came();
      if (address.is_live()) return lost(Cause::unreachable, "the stream ended");
      disconnect();
      change(CameraState::ended);
      break;
    default:
      break;
  }
}

Camera::Camera(Program& program, std::string role, Address address, const SourceOptions& options, bool paced,
               Callbacks callbacks)
    : state_(std::make_unique<State>(program, std::move(role), std::move(address), options, paced,
                                     std::move(callbacks))) {}

Camera::~Camera() {
  stop();
  state_->threads->wait(farewell);
}

void Camera::start(GstClock* clock, GstClockTime base_time) {
  state_->clock.reset(GST_CLOCK(gst_object_ref(clock)));
  state_->base_time = base_time;
  state_->ticker =
      MainSource::timer(tick_ms, state_->program.guarded([state = state_.get()] { state->tick(); }));
  state_->connect();
}

void Camera::stop() {
  state_->ticker = {};
  state_->disconnect();
}

CameraStatus Camera::status() const { return state_->status(); }
const std::string& Camera::role() const { return state_->role; }
const Address& Camera::address() const { return state_->address; }
std::string Camera::description() const { return state_->description(); }

}  // namespace digfusion::pipelines
