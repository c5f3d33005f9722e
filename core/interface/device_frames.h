// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ways of pictures that don't take the CPU's: frames that a GPU fuses from planes to planes, and pictures
// in CUDA memory that something else wants in the host's.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fusion/fuser.h"
#include "core/fusion/gradient_frame.h"
#include "core/image/remap.h"
#include "core/image/thermal.h"
#include "core/interface/interface.h"

namespace digfusion {

/// An infrared picture as GradientFrame::fuse() takes it: without what is cropped.
struct InfraredInput {
  Image image;
  at::Tensor ready;  ///< where kernels don't do all that is done to its samples
  bool negative = false;
  InfraredWork work;
};

/// What kernels don't do on the way of the checked picture sources[i] to the grid of sources[0]: the gain's
/// curve, dead pixels, the sign of polarity=auto. Pictures in CUDA memory are copied to the host where it
/// looks at their samples. What is borrowed is `thermal`'s and `registrar`'s, until either's next picture
/// `i`.
InfraredInput prepare_infrared(const Image* sources, std::size_t i, const Parameters& parameters,
                               const ThermalSettings& settings, ThermalSource& thermal, Registrar& registrar);

/// Whole frames on a GPU, where the parameters allow it (GradientFrame). One stream; not thread-safe.
class DeviceFrames {
 public:
  /// Picture i ≥ 1.
  using Prepare = std::function<InfraredInput(std::size_t i)>;

  /// After each change of the fuser's parameters, when no frame is begun. Throws as GradientFrame and
  /// open_gradient_student().
  void configure(const Fuser& fuser);

  /// Whether the next frame is one of these.
  bool takes(const Parameters& parameters) const;

  /// How many frames that this takes may be begun and not finished.
  int in_flight() const { return frame_ ? frame_->in_flight() : 1; }

  /// Begins to fuse checked pictures, as GradientFrame::begin() does. `prepare` is called, and done
  /// with, for each infrared one.
  void begin(const Image* sources, std::size_t count, const Image& output, const Parameters& parameters,
             const Prepare& prepare);
  /// The oldest frame that was begun.
  void finish() { frame_->finish(); }

  /// Lets the driver load the kernels and cuDNN choose its algorithms for this size; the graph of the
  /// pictures' layout is recorded in the first frames.
  void warm_up(int width, int height, const Parameters& parameters);

  /// Forgets the stream's past.
  void reset();
  std::uint64_t evaluations() const { return frame_ ? frame_->evaluations() : 0; }
  /// Of the last frame; see GradientFrame.
  std::optional<double> infrared_share() const {
    return frame_ ? frame_->infrared_share() : std::optional<double>();
  }

 private:
  std::unique_ptr<GradientFrame> frame_;
  std::string model_;  // of frame_, and with which evidence
  EvidenceSource evidence_{};
};

/// Pictures in the host's memory: themselves, or copies of those in CUDA memory that live as long as this.
class HostImages {
 public:
  /// Throws Error(invalid_argument) where this build, or machine, has no CUDA.
  HostImages(const Image* sources, std::size_t count, const Image& output);
  const Image* sources() const { return sources_.data(); }
  const Image& output() const { return output_; }
  /// Brings what was written to output() to where it belongs.
  void finish() const;

 private:
  std::vector<Image> sources_;
  Image given_, output_;
  std::vector<at::Tensor> copies_, written_;
};

}  // namespace digfusion
