// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/plugin/fake_core.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <thread>

#include "core/parameters/view.h"
#include "tests/plugin/fake_cuda/fake_cuda.h"

namespace digfusion::test {
namespace {

FakeCoreLog fake_log;

int number_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? std::atoi(text) : otherwise;
}

std::string text_from(const char* variable, const char* otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? text : otherwise;
}

void sleep_ms(int ms) {
  if (ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

Status failure(ErrorCode code, const std::string& message) {
  Status status;
  status.code = code;
  std::snprintf(status.message, sizeof status.message, "%s", message.c_str());
  return status;
}

std::uint8_t* sample_at(const Image& image, const Component& c, int x, int y) {
  return image.plane[c.plane].data + y * image.plane[c.plane].stride + c.offset +
         static_cast<std::ptrdiff_t>(x) * c.pixel_stride;
}

/// As 8 bits.
int read(const Image& image, const Component& c, int x, int y) {
  const std::uint8_t* at = sample_at(image, c, x, y);
  if (c.depth == 8) return *at;
  const int word = image.big_endian ? at[0] << 8 | at[1] : at[0] | at[1] << 8;
  return (word >> c.shift) >> (c.depth - 8);
}

void write(const Image& image, const Component& c, int x, int y, int value) {
  std::uint8_t* at = sample_at(image, c, x, y);
  if (c.depth == 8) {
    *at = static_cast<std::uint8_t>(value);
  } else {
    const int word = value << (c.depth - 8) << c.shift;
    at[0] = static_cast<std::uint8_t>(word);
    at[1] = static_cast<std::uint8_t>(word >> 8);
  }
}

int shifted(int size, int sub) { return (size + (1 << sub) - 1) >> sub; }

/// A picture in the fake driver's memory, where it really is.
Image on_host(Image image) {
  if (image.memory == Memory::host) return image;
  static const auto address = reinterpret_cast<decltype(&fake_cuda_host_address)>(
      dlsym(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "fake_cuda_host_address"));
  for (int p = 0; p < image.planes; ++p)
    image.plane[p].data = static_cast<std::uint8_t*>(address(image.plane[p].data));
  return image;
}

class FakeFuser final : public StreamFuser {
 public:
  FakeFuser() { ++fake_log.alive; }
  ~FakeFuser() override {
    fake_log.begun -= static_cast<int>(begun_.size());
    --fake_log.alive;
  }

  Status load(const Parameters& parameters, LogSink, void*) noexcept override {
    const Call call(*this);
    ++fake_log.loads;
    sleep_ms(number_from("DIGFUSION_FAKE_LOAD_MS", 0));
    if (const char* error = std::getenv("DIGFUSION_FAKE_LOAD_ERROR"); error && *error)
      return failure(ErrorCode::model, error);
    fake_log.sharpness = parameters.sharpness;
    fake_log.preset = preset_ = parameters.preset;
    across_ = panels_across(parameters.mode);
    shows_infrared_ = parameters.mode == View::infrared;
    return {};
  }

  Status configure(const Parameters& parameters) noexcept override {
    const Call call(*this);
    ++fake_log.configures;
    fake_log.sharpness = parameters.sharpness;
    fake_log.preset = preset_ = parameters.preset;
    across_ = panels_across(parameters.mode);
    shows_infrared_ = parameters.mode == View::infrared;
    return {};
  }

  Status warm_up(int width, int height) noexcept override {
    const Call call(*this);
    ++fake_log.warm_ups;
    fake_log.warm_width = width;
    fake_log.warm_height = height;
    return {};
  }

  Status fuse(const Image* sources, std::size_t count, const Image& result) noexcept override {
    const Call call(*this);
    sleep_ms(time_of_a_frame());
    return make(sources, count, result);
  }

  int frames_in_flight() const noexcept override { return in_flight_; }

  Status begin(const Image* sources, std::size_t count, const Image& output) noexcept override {
    const Call call(*this, /*between_frames=*/false);
    if (++frames_begun_ == fail_begin_)
      return failure(ErrorCode::invalid_argument, "the fake core was told to fail to begin");
    if (count != 2 || begun_.size() >= static_cast<std::size_t>(in_flight_))
      return failure(ErrorCode::invalid_argument, "too many frames, or pictures");
    const Clock::time_point start = begun_.empty() ? Clock::now() : std::max(Clock::now(), begun_.back().due);
    begun_.push_back({sources[0], sources[1], output, start + std::chrono::milliseconds(time_of_a_frame()),
                      frames_begun_ == fail_finish_});
    if (begun_.size() > 1) ++fake_log.begun_beside;
    fake_log.most_begun = std::max<int>(fake_log.most_begun, ++fake_log.begun);
    return {};
  }

  Status finish() noexcept override {
    const Call call(*this, /*between_frames=*/false);
    if (begun_.empty()) {
      ++fake_log.out_of_turn;
      return failure(ErrorCode::internal, "no frame is begun");
    }
    const Begun frame = begun_.front();
    ++finished_;
    std::this_thread::sleep_until(frame.due);
    begun_.pop_front();
    --fake_log.begun;
    if (frame.fails) return failure(ErrorCode::internal, "the fake core was told to fail to finish");
    const Image sources[] = {frame.visible, frame.infrared};
    return make(sources, std::size(sources), frame.output);
  }

  void reset() noexcept override {
    const Call call(*this);
    ++fake_log.resets;
  }

  FrameReport report() const noexcept override {
    FrameReport report;
    report.levels = 2;
    report.weight_mean[0] = 0.25;
    report.weight_mean[1] = 0.75;
    report.black_value = 100;
    report.white_value = 200;
    if (numbered_) report.black_value = finished_;
    if (const int x = number_from("DIGFUSION_FAKE_REFINED_X", 0)) {
      report.refined_x = x;
      report.refined_y = report.refined_degrees = 0;
      report.confidence = .5;
    }
    if (moved_after_ > 0 && frames_ > 0) {
      report.refined_x = 3.5;
      report.refined_y = -2;
      report.refined_degrees = 0.5;
      report.confidence = 0.75;
      report.camera_moved = frames_ > std::uint64_t(moved_after_);
    }
    return report;
  }

  Statistics statistics() const noexcept override {
    Statistics statistics;
    statistics.frames = frames_;
    statistics.evaluations = 2;
    statistics.stages = 1;
    statistics.stage[0] = {"total", 1.5, 2.5};
    std::snprintf(statistics.device, sizeof statistics.device, "%s", device_.c_str());
    std::strcpy(statistics.precision, "float32");
    std::strcpy(statistics.model, "none");
    return statistics;
  }

 private:
  int time_of_a_frame() const {
    return fuse_ms_ * (preset_ == Preset::quality ? 4 : preset_ == Preset::balanced ? 2 : 1);
  }

  Status make(const Image* sources, std::size_t count, const Image& result) {
    ++fake_log.fusions;
    if (failures_left_ != 0) {
      if (failures_left_ > 0) --failures_left_;
      return failure(ErrorCode::invalid_argument, "the fake core was told to fail");
    }
    if (count != 2 || result.components != sources[0].components ||
        result.width != across_ * sources[0].width || result.height != sources[0].height)
      return failure(ErrorCode::invalid_argument, "the output isn't like the visible picture");
    if (!device_error_.empty()) return failure(ErrorCode::device, device_error_);
    for (const Image& image : {sources[0], sources[1], result}) {
      if (image.memory == Memory::host) continue;
      if (device_ != "cuda:" + std::to_string(image.device))
        return failure(ErrorCode::internal, "a picture is on another device");
      ++(image.plane[0].data == result.plane[0].data ? fake_log.device_outputs : fake_log.device_sources);
    }
    const Image visible = on_host(sources[0]), infrared = on_host(sources[1]), output = on_host(result);
    for (int i = 0; i < visible.components; ++i) {
      const Component& c = visible.component[i];
      const bool is_luma = visible.is_rgb ? i < 3 : i == 0;
      for (int y = 0; y < shifted(visible.height, c.h_sub); ++y)
        for (int x = 0; x < shifted(visible.width, c.w_sub); ++x) {
          const bool lower = is_luma && (y >= visible.height / 2 || shows_infrared_);
          const int value = lower ? read(infrared, infrared.component[0], x * infrared.width / visible.width,
                                         y * infrared.height / visible.height)
                                  : read(visible, c, x, y);
          for (int panel = 0; panel < across_; ++panel)
            write(output, output.component[i], x + (panel * visible.width >> c.w_sub), y, value);
        }
    }
    ++frames_;
    return {};
  }

  struct Call {
    explicit Call(FakeFuser& fuser, bool between_frames = true) : busy(fuser.busy_) {
      if (busy.exchange(true)) ++fake_log.overlaps;
      if (between_frames && !fuser.begun_.empty()) ++fake_log.out_of_turn;
    }
    ~Call() { busy = false; }
    std::atomic<bool>& busy;
  };

  using Clock = std::chrono::steady_clock;
  struct Begun {
    Image visible, infrared, output;
    Clock::time_point due;
    bool fails;
  };

  std::deque<Begun> begun_;
  int frames_begun_ = 0, finished_ = 0;
  bool numbered_ = number_from("DIGFUSION_FAKE_NUMBERED", 0) != 0;
  int in_flight_ = number_from("DIGFUSION_FAKE_IN_FLIGHT", 1);
  int fail_begin_ = number_from("DIGFUSION_FAKE_FAIL_BEGIN", 0);
  int fail_finish_ = number_from("DIGFUSION_FAKE_FAIL_FINISH", 0);
  int across_ = 1;  ///< pictures beside each other, all alike
  std::atomic<bool> busy_{false};
  Preset preset_ = Preset::realtime;
  bool shows_infrared_ = false;
  std::uint64_t frames_ = 0;
  int failures_left_ = number_from("DIGFUSION_FAKE_FAIL", 0);
  int moved_after_ = number_from("DIGFUSION_FAKE_MOVED", 0);
  int fuse_ms_ = number_from("DIGFUSION_FAKE_FUSE_MS", 0);
  std::string device_ = text_from("DIGFUSION_FAKE_DEVICE", "fake");
  std::string device_error_ = text_from("DIGFUSION_FAKE_DEVICE_ERROR", "");
};

}  // namespace
}  // namespace digfusion::test

extern "C" {

__attribute__((visibility("default"))) digfusion::test::FakeCoreLog* digfusion_fake_core_log() {
  return &digfusion::test::fake_log;
}

__attribute__((visibility("default"))) std::uint32_t digfusion_abi_version() {
  return static_cast<std::uint32_t>(
      digfusion::test::number_from("DIGFUSION_FAKE_ABI", static_cast<int>(digfusion::abi_version)));
}

__attribute__((visibility("default"))) digfusion::StreamFuser* digfusion_create(std::uint32_t abi_version,
                                                                                std::size_t parameters_size,
                                                                                digfusion::Status* status) {
  if (abi_version != digfusion::abi_version || parameters_size != sizeof(digfusion::Parameters)) {
    *status = digfusion::test::failure(digfusion::ErrorCode::invalid_argument, "wrong interface version");
    return nullptr;
  }
  return new digfusion::test::FakeFuser;
}
}
