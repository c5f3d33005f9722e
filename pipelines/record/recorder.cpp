// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/recorder.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "pipelines/common/failure.h"
#include "pipelines/record/black.h"
#include "pipelines/record/disk_sync.h"
#include "pipelines/record/journal.h"
#include "pipelines/record/recording.h"
#include "pipelines/record/retention.h"

namespace digfusion::pipelines {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr unsigned tick_interval = 500;    ///< milliseconds
constexpr seconds space_interval{2};       ///< between looks at the disk
constexpr seconds complaint_interval{30};  ///< between two lines about the same trouble
constexpr std::chrono::milliseconds slow_sync{500};

/// Something done every now and then, from tick().
class Every {
 public:
  explicit Every(seconds interval) : interval_(interval) {}
  bool is_due() {
    const auto now = Clock::now();
    if (last_ && now - *last_ < interval_) return false;
    last_ = now;
    return true;
  }

 private:
  const seconds interval_;
  std::optional<Clock::time_point> last_;
};

/// What the tracks of a recording are made of.
class Tracks {
 public:
  explicit Tracks(bool with_sources) : titles_{"fused"} {
    if (with_sources) titles_.insert(titles_.end(), {"visible", "infrared"});
    caps_.resize(titles_.size());
  }
  const std::vector<std::string>& titles() const { return titles_; }

  /// A picture for each track. A source that isn't there gets a black one of the format that it had, or the
  /// fused picture's.
  std::vector<Frame> pictures(const Frame& fused, const RecentFrames& visible,
                              const RecentFrames& infrared) const {
    std::vector<Frame> pictures{fused};
    for (const RecentFrames* source : {&visible, &infrared}) {
      if (pictures.size() == titles_.size()) break;
      GstCaps* known = caps_[pictures.size()].get();
      Frame picture = source->nearest(fused.time());
      pictures.push_back(picture ? picture.at(fused.time())
                                 : black_picture(known ? known : fused.caps(), fused.time()));
    }
    return pictures;
  }

  /// Whether they are of another size or format than the last ones; these are the last ones now.
  bool change(const std::vector<Frame>& pictures) {
    bool changed = false;
    for (std::size_t i = 0; i < pictures.size(); ++i)
      if (!caps_[i] || !gst_caps_is_equal(caps_[i].get(), pictures[i].caps())) {
        caps_[i].reset(gst_caps_ref(pictures[i].caps()));
        changed = true;
      }
    return changed;
  }

 private:
  std::vector<std::string> titles_;
  std::vector<MiniPtr<GstCaps>> caps_;  ///< of the last pictures; null before the first
};

}  // namespace

struct Recorder::State {
  Program& program;
  const RecordOptions options;
  const Encoder encoder;
  const Pace pace;
  const std::chrono::milliseconds silence;
  const std::uint64_t keep_free;
  const std::function<void(const std::string&)> on_stopped;
  std::weak_ptr<State> self;  ///< for what other threads post

  Journal journal;
  DiskSync sync;
  std::atomic<std::uint64_t> left_out{0};

  // The main thread's.
  std::optional<std::string> stopped;  ///< why
  bool stopped_told = false;
  std::function<void()> on_finished;
  Clock::time_point finish_by = Clock::time_point::max();
  std::uint64_t left_out_told = 0;
  Every look_at_space{space_interval}, complain_of_encoder{complaint_interval},
      complain_of_disk{complaint_interval};

  // The pushing thread's.
  Tracks tracks;

  mutable std::mutex mutex;  ///< leaf but for a Recording's making; guards what follows
  bool accepting = true;
  std::shared_ptr<Recording> current;
  int number = 0;                                    ///< of `current`
  std::map<int, std::shared_ptr<Recording>> ending;  ///< completing their last segment
  GstClockTime last = GST_CLOCK_TIME_NONE;           ///< the last picture's
  std::chrono::system_clock::time_point last_taken;  ///< when that was
  Clock::time_point last_came;

  State(Program& program_, const RecordOptions& options_, const Encoder& encoder_, Pace pace_,
        std::function<void(const std::string&)> on_stopped_, std::chrono::milliseconds silence_)
      : program(program_),
        options(options_),
        encoder(encoder_),
        pace(pace_),
        silence(silence_),
        keep_free(options_.keep_free.value_or(default_keep_free(options_.folder))),
        on_stopped(std::move(on_stopped_)),
        journal(program_, options_.json),
        sync(options_.folder,
             [this](const std::string& problem) { post([problem](State& s) { s.stop(problem); }); }),
        tracks(options_.with_sources) {}

  void post(std::function<void(State&)> function);

  // Streaming threads
  void push(const Frame& fused, const RecentFrames& visible, const RecentFrames& infrared,
            std::chrono::system_clock::time_point taken);
  std::shared_ptr<Recording> recording_for(const std::vector<Frame>& pictures,
                                           std::chrono::system_clock::time_point taken);
  std::shared_ptr<Recording> make_recording(int its_number);
  void end_current();
  std::filesystem::path next_file(GstClockTime first);

  // Main thread
  void tick();
  void make_room();
  void keep_room();
  void complain();
  void end_silent();
  void end_all();
  void give_up();
  std::shared_ptr<Recording> take_ended(int its_number);
  void ended(int its_number);
  void failed(int its_number, const std::string& problem);
  void stop(const std::string& why);
  void tell_when_done();
};

void Recorder::State::post(std::function<void(State&)> function) {
  program.post([weak = self, function = std::move(function)] {
    if (const auto state = weak.lock()) function(*state);
  });
}

// ---- streaming threads

void Recorder::State::push(const Frame& fused, const RecentFrames& visible, const RecentFrames& infrared,
                           std::chrono::system_clock::time_point taken) {
  {
    const std::lock_guard lock(mutex);
    if (GST_CLOCK_TIME_IS_VALID(last) && fused.time() <= last) return;
  }
  const std::vector<Frame> pictures = tracks.pictures(fused, visible, infrared);
  std::shared_ptr<Recording> recording = recording_for(pictures, taken);
  // May wait. A recording that the main thread has ended in between takes no more, and another one begins;
  // one that failed has its error on the way.
  while (recording && !recording->push(pictures)) {
    auto next = recording_for(pictures, taken);
    recording = next == recording ? nullptr : std::move(next);
  }
}

/// The one that takes these pictures, or null if none does.
std::shared_ptr<Recording> Recorder::State::recording_for(const std::vector<Frame>& pictures,
                                                          std::chrono::system_clock::time_point taken) {
  const std::lock_guard lock(mutex);
  if (!accepting) return nullptr;
  if (tracks.change(pictures)) end_current();
  try {
    if (!current) current = make_recording(++number);
  } catch (const Failure& failure) {
    accepting = false;
    post([why = std::string(failure.what())](State& s) { s.stop(why); });
    return nullptr;
  }
  if (pace == Pace::leave_out && !current->has_room()) {
    ++left_out;
    return nullptr;
  }
  last = pictures.front().time();
  last_taken = taken;
  last_came = Clock::now();
  return current;
}

/// Its last segment is completed meanwhile. Under the lock.
void Recorder::State::end_current() {
  if (!current) return;
  current->finish();
  ending.emplace(number, std::move(current));
}

std::shared_ptr<Recording> Recorder::State::make_recording(int its_number) {
  Recording::Settings settings{encoder, options.container, options.segment_duration, options.segment_size,
                               tracks.titles()};
  Recording::Callbacks callbacks;
  callbacks.next_file = [this](GstClockTime first) { return next_file(first); };
  callbacks.on_opened = [this](const std::filesystem::path&) { post([](State& s) { s.keep_room(); }); };
  callbacks.on_closed = [this](const std::filesystem::path& path, GstClockTime duration) {
    sync.closed(path);
    post([path, duration](State& s) { s.journal.closed(path, static_cast<double>(duration) / GST_SECOND); });
  };
  callbacks.on_failed = [this, its_number](const std::string& problem) {
    post([its_number, problem](State& s) { s.failed(its_number, problem); });
  };
  callbacks.on_finished = [this, its_number] { post([its_number](State& s) { s.ended(its_number); }); };
  return std::make_shared<Recording>(std::move(settings), std::move(callbacks));
}

std::filesystem::path Recorder::State::next_file(GstClockTime first) {
  std::chrono::system_clock::time_point begin;
  {
    const std::lock_guard lock(mutex);
    begin = last_taken - std::chrono::nanoseconds(last - first);
  }
  std::filesystem::path path;
  for (int again = 0; again < 100; again += again == 0 ? 2 : 1) {
    path = options.folder / segment_name(options.name, std::chrono::floor<seconds>(begin), options.local_time,
                                         again, options.container);
    // Made here, so that no other program takes the name between looking and writing.
    Descriptor file(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666));
    if (file) {
      mark_as_open(file.get());
      sync.opened(path, std::move(file));
      post([path, begin](State& s) { s.journal.opened(path, begin); });
      return path;
    }
    if (errno != EEXIST) break;
  }
  const std::string problem = "the segment " + path.string() + " can't be made: " + std::strerror(errno);
  post([problem](State& s) { s.stop(problem); });
  return "/dev/null/" + path.filename().string();  // can't be opened either
}

// ---- the main thread

void Recorder::State::tick() {
  if (look_at_space.is_due()) keep_room();
  for (const std::filesystem::path& path : sync.deleted()) {
    // Still written to, but nobody will ever find it.
    program.warn("somebody has deleted the open segment " + path.filename().string() + ": a new one begins");
    sync.closed(path);
    const std::lock_guard lock(mutex);
    if (current) current->split();
  }
  end_silent();
  complain();
  if (on_finished && Clock::now() >= finish_by) {
    program.warn("the last segment couldn't be completed in time: its end may be missing");
    give_up();
    tell_when_done();
  }
}

/// What is held back until the next key frame would wait for the camera's return, and a power cut cost more
/// than a second.
void Recorder::State::end_silent() {
  const std::lock_guard lock(mutex);
  if (pace == Pace::leave_out && current && Clock::now() - last_came > silence) end_current();
}

/// Destroys what isn't complete.
void Recorder::State::give_up() {
  std::map<int, std::shared_ptr<Recording>> incomplete;
  const std::lock_guard lock(mutex);
  incomplete.swap(ending);
}

/// Deletes what the rules say. Throws Failure where there isn't enough space all the same.
void Recorder::State::make_room() {
  const WallTime now = std::chrono::floor<seconds>(std::chrono::system_clock::now());
  const RetentionResult result = apply_retention(options.folder, options.name, {options.max_age, keep_free},
                                                 now, free_space(options.folder));
  for (const auto& removed : result.removed) journal.deleted(removed);
  for (const std::string& problem : result.problems) program.warn(problem);
  if (!result.enough)
    throw Failure("only " + size_text(result.free) + " are free in " + options.folder.string() +
                  ", --keep-free wants " + size_text(keep_free) + ", and there is no older segment of \"" +
                  options.name + "\" to delete");
}

void Recorder::State::keep_room() {
  if (stopped) return;
  try {
    make_room();
  } catch (const Failure& failure) {
    stop(failure.what());
  }
}

void Recorder::State::complain() {
  if (left_out != left_out_told && complain_of_encoder.is_due()) {
    left_out_told = left_out;
    program.warn(encoder.name() + " and the disk don't keep up: " + std::to_string(left_out_told) +
                 " pictures left out so far");
  }
  if (const auto slowest = sync.slowest(); slowest > slow_sync && complain_of_disk.is_due())
    program.warn("the disk took " + std::to_string(slowest.count()) +
                 " ms to write: a power cut would have cost so much more");
}

void Recorder::State::end_all() {
  const std::lock_guard lock(mutex);
  accepting = false;
  end_current();
}

std::shared_ptr<Recording> Recorder::State::take_ended(int its_number) {
  const std::lock_guard lock(mutex);
  auto entry = ending.extract(its_number);
  return entry ? std::move(entry.mapped()) : nullptr;
}

void Recorder::State::ended(int its_number) {
  take_ended(its_number);  // and destroy it, without the lock
  tell_when_done();
}

void Recorder::State::failed(int its_number, const std::string& problem) {
  end_all();
  // A push() may be waiting in it.
  if (const auto recording = take_ended(its_number)) recording->abort();
  stop(options.folder.string() + ": " + problem);
}

void Recorder::State::stop(const std::string& why) {
  if (!stopped) stopped = why;
  end_all();
  // After what the segments' ends have posted.
  post([](State& s) { s.tell_when_done(); });
}

void Recorder::State::tell_when_done() {
  {
    const std::lock_guard lock(mutex);
    if (!ending.empty()) return;
  }
  if (stopped && !std::exchange(stopped_told, true)) {
    journal.stopped(*stopped);
    on_stopped(*stopped);
  }
  if (on_finished) std::exchange(on_finished, nullptr)();
}

// ---- Recorder

Recorder::Recorder(Program& program, const RecordOptions& options, const Encoder& encoder, Pace pace,
                   std::function<void(const std::string& why)> on_stopped, std::chrono::milliseconds silence)
    : state_(std::make_shared<State>(program, options, encoder, pace, std::move(on_stopped), silence)) {
  state_->self = state_;
  state_->make_room();
  program.every(tick_interval, [weak = state_->self] {
    if (const auto state = weak.lock()) state->tick();
  });
}

Recorder::~Recorder() {
  state_->end_all();
  state_->give_up();
}

void Recorder::push(const Frame& fused, const RecentFrames& visible, const RecentFrames& infrared,
                    std::chrono::system_clock::time_point taken) {
  state_->push(fused, visible, infrared, taken);
}

void Recorder::finish(std::function<void()> done, std::chrono::milliseconds patience) {
  state_->on_finished = std::move(done);
  state_->finish_by = Clock::now() + patience;
  state_->end_all();
  state_->tell_when_done();
}

std::uint64_t Recorder::left_out() const { return state_->left_out; }

}  // namespace digfusion::pipelines
