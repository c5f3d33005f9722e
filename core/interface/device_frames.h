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
#include "core/image/thermal.h"
#include "core/interface/interface.h"

namespace digfusion {

/// Whole frames on a GPU, where the parameters allow it (GradientFrame). One stream; not thread-safe.
class DeviceFrames {
 public:
  /// Picture i ≥ 1 as a tensor on the visible picture's grid, for pictures that need more than a kernel does.
  using Prepare = std::function<at::Tensor(std::size_t i)>;

  /// After each change of the fuser's parameters, when no frame is begun. Throws as GradientFrame and
  /// open_gradient_student().
  void configure(const Fuser& fuser);

  /// Whether the next frame is one of these.
  bool takes(const Parameters& parameters) const;

  /// How many frames that this takes may be begun and not finished.
  int in_flight() const { return frame_ ? frame_->in_flight() : 1; }

  /// Begins to fuse checked pictures, as GradientFrame::begin() does. `prepare` is called, and done with, for
  /// what is raw, is cropped, has another size, or is moved (`registers`).
  void begin(const Image* sources, std::size_t count, const Image& output, const Parameters& parameters,
             bool registers, const Prepare& prepare);
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
