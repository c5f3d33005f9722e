// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One stream's fusion of luma tensors: owns the method, the noise fields and, for methods that look back, the
// past.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/device/device.h"
#include "core/fusion/method.h"
#include "core/fusion/noise_fields.h"
#include "core/fusion/recorded_method.h"
#include "core/parameters/parameters.h"

namespace digfusion {

/// Not thread-safe: one frame at a time. Errors are exceptions: Error, c10::Error, std::bad_alloc.
class Fuser {
 public:
  /// Opens the models. `warn` as in choose_device(). Parameters out of their ranges are
  /// Error(invalid_argument).
  Fuser(const Parameters& parameters, const std::function<void(const std::string&)>& warn);
  Fuser(const Fuser&) = delete;
  Fuser& operator=(const Fuser&) = delete;

  /// Takes over the parameters that may change while playing; a change of method opens what it needs. On an
  /// exception everything is as before.
  void configure(const Parameters& parameters);

  /// sources [K,C,H,W] float32 on -1..1, K ≥ 2, C = 1, or 3 with channels=rgb, H and W ≥ 16, on any device →
  /// fused [1,C,H,W] float32 on -1..1, on the computing device. The borders are padded by reflection to what
  /// the network needs and cropped again. Throws Error(internal) when the result isn't finite.
  at::Tensor fuse(const at::Tensor& sources);

  /// From now on frames go through this backend as RecordedMethod says, where the method is recordable. On a
  /// GPU they do without being asked; on the CPU that is the twin, for tests.
  void record_with(std::unique_ptr<Backend> backend) { recorded_.emplace(std::move(backend)); }
  RecordedCounts recorded() const { return recorded_ ? recorded_->counts() : RecordedCounts{}; }

  /// Of the last picture: how much of it comes from the infrared sources, [1,1,H,W] float32 on 0..1, the mean
  /// over the noise levels. Throws Error(invalid_argument) where the method has no weights.
  at::Tensor gain_map() const;
  /// And the mean of each noise level's map, the most noisy first; empty where the method has no weights.
  std::vector<double> weight_means() const;

  /// What makes fuse() go on as if the pictures after this call hadn't been; it throws nothing, and may be
  /// called once, until configure() is.
  std::function<void()> keep_past();
  /// Forgets the frames before.
  void reset() { method_->reset(); }

  const Parameters& parameters() const { return parameters_; }
  const DeviceChoice& choice() const { return choice_; }
  std::uint64_t evaluations() const { return method_->evaluations(); }
  std::span<const Lap> laps() const { return method_->laps(); }
  const std::string& model() const { return model_; }

 private:
  /// The method is made with these parameters: keeps its student open, where it has one.
  void keep_student(const Parameters& parameters);
  /// Whether the next frame goes through recorded_, which is made where there is none yet.
  bool is_recorded();
  at::Tensor fuse_padded(const at::Tensor& padded, bool recorded);
  /// The method's visible_weights() without what the picture was padded with.
  std::vector<at::Tensor> cropped_weights() const;

  Parameters parameters_;
  DeviceChoice choice_;
  std::unique_ptr<FusionMethod> method_;
  NoiseFields noise_;
  std::optional<RecordedMethod> recorded_;  ///< of method_ and noise_, and goes before them
  std::string model_;
  /// Of method=gradient, those that have been used: a preset that is left for another one and taken up again
  /// while playing isn't read from its file once more. As many as there are sizes, at most.
  std::vector<std::shared_ptr<const GradientStudent>> students_;
  std::int64_t height_ = 0, width_ = 0;  ///< of the last picture
};

}  // namespace digfusion
