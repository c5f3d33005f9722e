// SPDX-License-Identifier: LGPL-2.1-or-later
//
// StreamFuser over a Fuser: pictures in memory on one side, tensors on the other. Every exception ends here.
#include "core/interface/interface.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "core/device/device.h"
#include "core/device/failure.h"
#include "core/fusion/fuser.h"
#include "core/image/colour.h"
#include "core/image/fit.h"
#include "core/image/luma.h"
#include "core/image/refinement.h"
#include "core/image/remap.h"
#include "core/image/thermal.h"
#include "core/image/view.h"
#include "core/interface/device_frames.h"
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
  } catch (const std::bad_alloc&) {
    return failure(ErrorCode::out_of_memory, "out of memory");  // without asking for any
  } catch (const std::exception& error) {
    const Failure found = failure_of(error);
    return failure(found.code, found.message);
  } catch (...) {
    return failure(ErrorCode::internal, "an unknown exception");
  }
}

/// Calls `undo` where it isn't told that all went well.
class Undo {
 public:
  explicit Undo(std::function<void()> undo) : undo_(std::move(undo)) {}
  ~Undo() {
    if (undo_) undo_();
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  void all_is_well() { undo_ = nullptr; }

 private:
  std::function<void()> undo_;
};

class TensorStreamFuser : public StreamFuser {
 public:
  Status load(const Parameters& parameters, LogSink sink, void* user) noexcept override {
    return guarded([&] {
      begun_.clear();
      frames_on_device_ = DeviceFrames();  // waits for what was begun
      registrar_ = Registrar(parameters.registration.view());
      fuser_.emplace(parameters, [&](const std::string& message) {
        if (sink) sink(user, LogLevel::warning, message.c_str());
      });
      frames_on_device_.configure(*fuser_);
      thermal_.clear();
      display_range_.reset();
      has_fused_ = false;
      refiners_.restart();
      refiners_.configure(fuser_->parameters());
      report_ = {};
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
      require_none_begun();
      use_threads(fuser_->parameters().threads);
      const Method method = fuser_->parameters().method;
      Registrar registrar = registrar_;
      registrar.configure(parameters.registration.view());
      fuser_->configure(parameters);
      frames_on_device_.configure(*fuser_);
      registrar_ = std::move(registrar);
      refiners_.configure(fuser_->parameters());
      const std::scoped_lock lock(statistics_mutex_);
      if (method != fuser_->parameters().method) parts_.clear();
      describe();
    });
  }

  Status warm_up(int width, int height) noexcept override {
    return guarded([&] {
      require_loaded();
      require_none_begun();
      use_threads(fuser_->parameters().threads);
      const int channels = fuser_->parameters().channels == Channels::rgb ? 3 : 1;
      if (frames_on_device_.takes(fuser_->parameters()))
        frames_on_device_.warm_up(width, height, fuser_->parameters());
      else
        (void)fuser_->fuse(at::zeros({2, channels, height, width}));
      fuser_->reset();  // black isn't the stream's past
    });
  }

  Status fuse(const Image* sources, std::size_t count, const Image& output) noexcept override {
    return guarded([&] {
      require_loaded();
      require_none_begun();
      check_pictures(sources, count, output);
      const Parameters& parameters = fuser_->parameters();
      const ViewNeeds needs = needs_of(parameters);
      use_threads(fuser_->parameters().threads);
      Stopwatch whole, stage;
      if (frames_on_device_.takes(fuser_->parameters())) {
        fuse_on_device(sources, count, output);
        return;
      }
      if (std::exchange(was_on_device_, false)) fuser_->reset();  // its past is of another time
      const HostImages host(sources, count, output);
      sources = host.sources();

      const bool is_rgb = parameters.channels == Channels::rgb;
      std::vector<at::Tensor> pictures;
      std::vector<Placed> unrefined;  // of all sources but the first
      std::vector<ThermalSource> thermal = thermal_;
      Shown shown{.visible = &sources[0], .infrared = {}, .fused = {}, .gain = {}, .hot = {}};
      if (needs.infrared) {
        pictures.push_back(is_rgb ? read_rgb(sources[0]) : read_luma(sources[0]));
        thermal.resize(count - 1);
        unrefined.resize(count);
        follow_geometry(sources, count);
        const ThermalSettings settings(parameters);
        for (std::size_t i = 1; i < count; ++i) {
          check_image(sources[i], "infrared");
          const at::Tensor picture = thermal[i - 1].read(sources[i], settings, is_rgb);
          unrefined[i] = unrefined_place(i, picture, pictures[0], sources);
          pictures.push_back(refiners_.apply(i, unrefined[i]).over(pictures[0]));
        }
        shown.infrared = pictures[1];
        shown.hot = highlighted(thermal[0], settings.radiometry, pictures[0], sources);
      } else {
        thermal.clear();  // what comes after isn't its next picture
      }
      const double read_ms = stage.lap();

      Undo undo(needs.fused ? [this, bring_back = fuser_->keep_past()] {
        bring_back();
        has_fused_ = false;  // the weights are the failed picture's
      } : std::function<void()>());
      if (needs.fused) {
        shown.fused = fuser_->fuse(at::cat(pictures));
        if (parameters.mode == View::gain) shown.gain = fuser_->gain_map();
      }
      const double fuse_ms = stage.lap();

      write_view(shown, parameters, host.output());
      host.finish();
      const double write_ms = stage.lap();
      Refiners refiners = refiners_;
      for (std::size_t i = 1; i < unrefined.size(); ++i) refiners.look(i, unrefined[i], pictures[0]);
      // The stream's state changes from here on alone.
      undo.all_is_well();
      if (!needs.fused) fuser_->reset();
      refiners_ = std::move(refiners);
      thermal_ = std::move(thermal);
      display_range_ = thermal_.empty() ? std::nullopt : thermal_.front().display_range();
      has_fused_ = needs.fused;
      report_ = {};
      refiners_.report(1, report_);
      const std::scoped_lock lock(statistics_mutex_);
      read_.add(read_ms);
      fuse_.add(fuse_ms);
      write_.add(write_ms);
      total_.add(whole.lap());
      if (needs.fused)
        for (const Lap& lap : fuser_->laps()) part(lap.name).add(lap.milliseconds);
      ++frames_;
      evaluations_ = needs.fused ? fuser_->evaluations() : 0;
    });
  }

  int frames_in_flight() const noexcept override {
    return is_on_device() ? frames_on_device_.in_flight() : 1;
  }

  Status begin(const Image* sources, std::size_t count, const Image& output) noexcept override {
    if (!is_on_device() && begun_.empty()) {
      const Status status = fuse(sources, count, output);
      if (status.ok()) begun_.push_back({});
      return status;
    }
    return guarded([&] {
      if (begun_.size() >= std::size_t(frames_in_flight()))
        throw Error(ErrorCode::invalid_argument, "as many frames are begun as may be, and none is finished");
      check_pictures(sources, count, output);
      use_threads(fuser_->parameters().threads);
      begin_on_device(sources, count, output);
    });
  }

  Status finish() noexcept override {
    return guarded([&] {
      if (begun_.empty()) throw Error(ErrorCode::invalid_argument, "no frame is begun");
      if (begun_.front().on_device)
        finish_on_device();
      else
        begun_.pop_front();
    });
  }

  void reset() noexcept override {
    if (fuser_) fuser_->reset();
    frames_on_device_.reset();
    thermal_.clear();
    display_range_.reset();
    has_fused_ = false;
  }

  FrameReport report() const noexcept override {
    FrameReport report = report_;
    (void)guarded([&] {
      require_loaded();
      tell_weights(report);
      tell_display_range(report);
    });
    return report;
  }

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

  /// Whether the next frame takes the GPU's way.
  bool is_on_device() const { return fuser_ && frames_on_device_.takes(fuser_->parameters()); }

  void require_none_begun() const {
    if (!begun_.empty()) throw Error(ErrorCode::invalid_argument, "a frame is begun and not finished");
  }

  /// What fuse() and begin() ask of pictures, but for the infrared ones.
  void check_pictures(const Image* sources, std::size_t count, const Image& output) const {
    if (count < 2 || count > max_sources)
      throw Error(ErrorCode::invalid_argument, "fusion needs 2 to 8 pictures, not " + std::to_string(count));
    const Parameters& parameters = fuser_->parameters();
    const int across = panels_across(parameters.mode);
    check_image(sources[0], "visible");
    check_image(output, "output", across);
    if (sources[0].big_endian)
      throw Error(ErrorCode::invalid_argument, "visible picture: its samples are big-endian");
    check_same_layout(sources[0], output, across);
    check_colours(parameters, output);
  }

  /// What registration-refine has found holds for pictures of these sizes and aspects alone.
  void follow_geometry(const Image* sources, std::size_t count) {
    std::vector<double> geometry;
    for (std::size_t i = 0; i < count; ++i)
      geometry.insert(geometry.end(),
                      {double(sources[i].width), double(sources[i].height), sources[i].pixel_aspect});
    if (geometry != std::exchange(geometry_, geometry)) refiners_.restart();
  }

  /// The frame's way where a GPU does all of it.
  void fuse_on_device(const Image* sources, std::size_t count, const Image& output) {
    begin_on_device(sources, count, output);
    finish_on_device();
  }

  void begin_on_device(const Image* sources, std::size_t count, const Image& output) {
    Stopwatch watch;
    if (!std::exchange(was_on_device_, true)) frames_on_device_.reset();
    std::vector<ThermalSource> thermal = thermal_;
    thermal.resize(count - 1);
    const ThermalSettings settings(fuser_->parameters());
    for (std::size_t i = 1; i < count; ++i) check_image(sources[i], "infrared");
    frames_on_device_.begin(sources, count, output, fuser_->parameters(), [&](std::size_t i) {
      return prepare_infrared(sources, i, fuser_->parameters(), settings, thermal[i - 1], registrar_);
    });
    std::vector<ThermalSource> before = std::exchange(thermal_, std::move(thermal));
    begun_.push_back({.on_device = true,
                      .milliseconds = watch.lap(),
                      .range = thermal_.front().display_range(),
                      .thermal_before = std::move(before)});
  }

  /// The oldest one that was begun. Its time is what both halves took of the caller's: what a frame costs,
  /// less what the GPU did of it meanwhile.
  void finish_on_device() {
    Stopwatch watch;
    const Begun begun = begun_.front();
    begun_.pop_front();
    try {
      frames_on_device_.finish();
    } catch (...) {
      if (begun_.empty()) thermal_ = begun.thermal_before;  // else the next frame has gone on from it
      throw;
    }
    has_fused_ = false;  // the Fuser hasn't
    display_range_ = begun.range;
    report_ = {};
    if (const auto share = frames_on_device_.infrared_share()) {
      report_.levels = 1;
      report_.weight_mean[0] = *share;
    }
    const std::scoped_lock lock(statistics_mutex_);
    const double milliseconds = begun.milliseconds + watch.lap();
    fuse_.add(milliseconds);
    total_.add(milliseconds);
    ++frames_;
    evaluations_ = frames_on_device_.evaluations();
  }

  /// Picture `i`, as a tensor, on the visible picture's grid, where infrared-fit or registration say.
  Placed unrefined_place(std::size_t i, const at::Tensor& picture, const at::Tensor& visible,
                         const Image* sources) {
    if (registrar_.registers()) return registrar_.place(i, picture, {visible.size(3), visible.size(2)});
    return fitted(picture, visible.size(2), visible.size(3),
                  place(picture.size(3), picture.size(2), sources[i].pixel_aspect, sources[0].width,
                        sources[0].height, sources[0].pixel_aspect, fuser_->parameters().infrared_fit));
  }

  /// Where the first infrared picture is highlighted, on the visible picture's grid; undefined where nothing
  /// is to be.
  at::Tensor highlighted(const ThermalSource& thermal, const Radiometry& radiometry,
                         const at::Tensor& visible, const Image* sources) {
    const Highlight highlight = highlight_of(fuser_->parameters());
    if (highlight.unit == Highlight::Unit::none) return {};
    const at::Tensor& values = thermal.values();
    if (!values.defined())
      throw Error(ErrorCode::invalid_argument,
                  "parameter highlight-above: the infrared picture has no raw values; it needs one component "
                  "of more than 8 bits (GRAY16_LE), or highlight-above=none");
    const at::Tensor nothing = at::zeros({1, 3, visible.size(2), visible.size(3)});
    const Placed places = unrefined_place(1, coordinates(values.size(2), values.size(3)), nothing, sources);
    return take_nearest(hot_pixels(values, highlight, radiometry), refiners_.apply(1, places).over(nothing));
  }

  void tell_weights(FrameReport& report) const {
    if (!has_fused_) return;
    for (const double mean : fuser_->weight_means())
      if (std::size_t(report.levels) < std::size(report.weight_mean))
        report.weight_mean[report.levels++] = mean;
  }

  /// Of the first infrared picture.
  void tell_display_range(FrameReport& report) const {
    if (!display_range_) return;
    const DisplayRange range = *display_range_;
    const Radiometry radiometry = ThermalSettings(fuser_->parameters()).radiometry;
    report.black_value = range.black;
    report.white_value = range.white;
    report.black_celsius = radiometry.celsius(range.black);
    report.white_celsius = radiometry.celsius(range.white);
  }

  /// `b` is `across` times as wide.
  static void check_same_layout(const Image& a, const Image& b, int across) {
    bool same = across * a.width == b.width && a.height == b.height && a.is_rgb == b.is_rgb &&
                a.components == b.components && a.planes == b.planes;
    for (int c = 0; same && c < a.components; ++c) {
      const Component &x = a.component[c], &y = b.component[c];
      same = x.plane == y.plane && x.offset == y.offset && x.pixel_stride == y.pixel_stride &&
             x.depth == y.depth && x.shift == y.shift && x.w_sub == y.w_sub && x.h_sub == y.h_sub;
    }
    if (!same)
      throw Error(ErrorCode::invalid_argument,
                  std::string("output picture: its layout isn't the visible picture's") +
                      (across > 1 ? ", twice as wide for mode=side-by-side" : ""));
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
  DeviceFrames frames_on_device_;
  bool was_on_device_ = false;  // the last frame
  struct Begun {
    bool on_device = false;  // else it is done already
    double milliseconds = 0;
    std::optional<DisplayRange> range{};
    std::vector<ThermalSource> thermal_before{};
  };
  std::deque<Begun> begun_;  // frames that aren't finished, the oldest first
  Registrar registrar_{""};
  Refiners refiners_;
  std::vector<double> geometry_;        // width, height and pixel aspect of all sources, that refiners_ know
  std::vector<ThermalSource> thermal_;  // of all sources but the first
  std::optional<DisplayRange> display_range_;  // of the first of them, in the last frame that was finished
  FrameReport report_;                         // what report() doesn't ask others for
  bool has_fused_ = false;                     // in the last fuse()
  mutable std::mutex statistics_mutex_;        // statistics() may come from another thread than fuse()
  Statistics description_;                     // device, precision and model
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
