// SPDX-License-Identifier: LGPL-2.1-or-later
//
// StreamFuser over a Fuser: pictures in memory on one side, tensors on the other. Every exception ends here.
#include "core/interface/interface.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "core/device/device.h"
#include "core/fusion/fuser.h"
#include "core/image/colour.h"
#include "core/image/fit.h"
#include "core/image/luma.h"
#include "core/image/remap.h"
#include "core/image/thermal.h"
#include "core/interface/error.h"
#include "core/interface/stages.h"

namespace digfusion {
namespace {

template <std::size_t N>
void copy_text(char (&to)[N], std::string_view text) {
  std::size_t length = std::min(text.size(), N - 1);
  while (length < text.size() && length > 0 && (text[length] & 0xC0) == 0x80)
    --length;  // whole UTF-8 characters
  std::memcpy(to, text.data(), length);
  to[length] = '\0';
}

Status failure(ErrorCode code, std::string_view message) {
  Status status;
  status.code = code;
  copy_text(status.message, message);
  return status;
}

/// Runs `function` and turns whatever it throws into a Status.
template <class Function>
Status guarded(const Function& function) noexcept {
  try {
    const c10::InferenceMode inference;
    function();
    return {};
  } catch (const Error& error) {
    return failure(error.code(), error.what());
  } catch (const c10::OutOfMemoryError& error) {
    return failure(ErrorCode::out_of_memory, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    // LibTorch's CPU allocator reports through the general error.
    const std::string_view what = error.what_without_backtrace();
    const bool memory = what.find("not enough memory") != std::string_view::npos;
    return failure(memory ? ErrorCode::out_of_memory : ErrorCode::internal, what);
  } catch (const std::bad_alloc&) {
    return failure(ErrorCode::out_of_memory, "out of memory");
  } catch (const std::exception& error) {
    return failure(ErrorCode::internal, error.what());
  } catch (...) {
    return failure(ErrorCode::internal, "an unknown exception");
  }
}

class TensorStreamFuser : public StreamFuser {
 public:
  Status load(const Parameters& parameters, LogSink sink, void* user) noexcept override {
    return guarded([&] {
      registrar_ = Registrar(parameters.registration.view());
      fuser_.emplace(parameters, [&](const std::string& message) {
        if (sink) sink(user, LogLevel::warning, message.c_str());
      });
      thermal_.clear();
      use_threads(fuser_->parameters().threads);
      const std::scoped_lock lock(statistics_mutex_);
      frames_ = evaluations_ = 0;
      for (StageTimes* stage : {&read_, &fuse_, &write_, &total_}) stage->clear();
      parts_.clear();
      describe();
    });
  }

  Status configure(const Parameters& parameters) noexcept override {
    return guarded([&] {
      require_loaded();
      use_threads(fuser_->parameters().threads);
      const Method method = fuser_->parameters().method;
      Registrar registrar = registrar_;
      registrar.configure(parameters.registration.view());
      fuser_->configure(parameters);
      registrar_ = std::move(registrar);
      const std::scoped_lock lock(statistics_mutex_);
      if (method != fuser_->parameters().method) parts_.clear();
      describe();
    });
  }

  Status warm_up(int width, int height) noexcept override {
    return guarded([&] {
      require_loaded();
      use_threads(fuser_->parameters().threads);
      const int channels = fuser_->parameters().channels == Channels::rgb ? 3 : 1;
      (void)fuser_->fuse(at::zeros({2, channels, height, width}));
      fuser_->reset();  // black isn't the stream's past
    });
  }

  Status fuse(const Image* sources, std::size_t count, const Image& output) noexcept override {
    return guarded([&] {
      require_loaded();
      if (count < 2 || count > max_sources)
        throw Error(ErrorCode::invalid_argument,
                    "fusion needs 2 to 8 pictures, not " + std::to_string(count));
      check_image(sources[0], "visible");
      check_image(output, "output");
      if (sources[0].big_endian)
        throw Error(ErrorCode::invalid_argument, "visible picture: its samples are big-endian");
      check_same_layout(sources[0], output);
      use_threads(fuser_->parameters().threads);
      Stopwatch whole, stage;

      const bool is_rgb = fuser_->parameters().channels == Channels::rgb;
      std::vector<at::Tensor> pictures = {is_rgb ? read_rgb(sources[0]) : read_luma(sources[0])};
      std::vector<ThermalSource> thermal = thermal_;
      thermal.resize(count - 1);
      const ThermalSettings settings(fuser_->parameters());
      for (std::size_t i = 1; i < count; ++i) {
        check_image(sources[i], "infrared");
        const at::Tensor picture = thermal[i - 1].read(sources[i], settings, is_rgb);
        pictures.push_back(placed(i, picture, pictures[0], sources));
      }
      const at::Tensor stacked = at::cat(pictures);
      const double read_ms = stage.lap();

      const at::Tensor fused = fuser_->fuse(stacked);
      const double fuse_ms = stage.lap();

      (is_rgb ? write_rgb : write_fused)(sources[0], fused, output);
      const double write_ms = stage.lap();
      thermal_ = std::move(thermal);
      const std::scoped_lock lock(statistics_mutex_);
      read_.add(read_ms);
      fuse_.add(fuse_ms);
      write_.add(write_ms);
      total_.add(whole.lap());
      for (const Lap& lap : fuser_->laps()) part(lap.name).add(lap.milliseconds);
      ++frames_;
      evaluations_ = fuser_->evaluations();
    });
  }

  void reset() noexcept override {
    if (fuser_) fuser_->reset();
    thermal_.clear();
  }

  FrameReport report() const noexcept override { return report_; }

  Statistics statistics() const noexcept override {
    Statistics s;
    (void)guarded([&] {
      const std::scoped_lock lock(statistics_mutex_);
      s = description_;
      s.frames = frames_;
      s.evaluations = evaluations_;
      for (const StageTimes* stage : {&read_, &fuse_, &write_, &total_})
        s.stage[s.stages++] = stage->summary();
      for (const StageTimes& part : parts_)
        if (std::size_t(s.parts) < std::size(s.part)) s.part[s.parts++] = part.summary();
    });
    return s;
  }

 private:
  void require_loaded() const {
    if (!fuser_) throw Error(ErrorCode::internal, "load() has not succeeded");
  }

  /// Picture `i`, as a tensor, on the visible picture's grid.
  at::Tensor placed(std::size_t i, const at::Tensor& picture, const at::Tensor& visible,
                    const Image* sources) {
    if (registrar_.registers()) return registrar_.apply(i, picture, visible);
    return fit_to(picture, visible,
                  place(picture.size(3), picture.size(2), sources[i].pixel_aspect, sources[0].width,
                        sources[0].height, sources[0].pixel_aspect, fuser_->parameters().infrared_fit));
  }

  static void check_same_layout(const Image& a, const Image& b) {
    bool same = a.width == b.width && a.height == b.height && a.is_rgb == b.is_rgb &&
                a.components == b.components && a.planes == b.planes;
    for (int c = 0; same && c < a.components; ++c) {
      const Component &x = a.component[c], &y = b.component[c];
      same = x.plane == y.plane && x.offset == y.offset && x.pixel_stride == y.pixel_stride &&
             x.depth == y.depth && x.shift == y.shift && x.w_sub == y.w_sub && x.h_sub == y.h_sub;
    }
    if (!same)
      throw Error(ErrorCode::invalid_argument, "output picture: its layout isn't the visible picture's");
  }

  StageTimes& part(const char* name) {
    for (StageTimes& part : parts_)
      if (part.name() == name) return part;
    return parts_.emplace_back(name);
  }

  void describe() {
    copy_text(description_.device, fuser_->choice().device.str());
    copy_text(description_.precision, name_of(fuser_->choice().network));
    copy_text(description_.model, fuser_->model());
  }

  std::optional<Fuser> fuser_;
  Registrar registrar_{""};
  std::vector<ThermalSource> thermal_;  // of all sources but the first
  FrameReport report_;
  mutable std::mutex statistics_mutex_;  // statistics() may come from another thread than fuse()
  Statistics description_;               // device, precision and model
  std::uint64_t frames_ = 0, evaluations_ = 0;
  StageTimes read_{"read"}, fuse_{"fuse"}, write_{"write"}, total_{"total"};
  std::vector<StageTimes> parts_;  // of fuse_
};

}  // namespace
}  // namespace digfusion

std::uint32_t digfusion_abi_version() { return digfusion::abi_version; }

digfusion::StreamFuser* digfusion_create(std::uint32_t abi_version, std::size_t parameters_size,
                                         digfusion::Status* status) {
  using namespace digfusion;
  StreamFuser* fuser = nullptr;
  const Status result = guarded([&] {
    if (abi_version != digfusion::abi_version || parameters_size != sizeof(Parameters))
      throw Error(ErrorCode::invalid_argument,
                  "the plugin and libdigfusion.so are of different versions (interface " +
                      std::to_string(abi_version) + " and " + std::to_string(digfusion::abi_version) +
                      "): install both from one build");
    fuser = new TensorStreamFuser;
  });
  if (status) *status = result;
  return fuser;
}
