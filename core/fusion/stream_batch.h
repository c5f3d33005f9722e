// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Parameters `batch-streams` and `batch-wait`: one batch of a student for the pictures of several streams.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <span>

#include "core/denoiser/gradient_student.h"
#include "core/image/noise_estimate.h"

namespace digfusion {

/// One stream's place among those of this process that have the same student (so the same file, device and
/// precision), the same size of picture and the same number of streams to a batch. Not thread-safe.
class StreamBatch {
 public:
  /// Batches of at most `streams` streams' pictures.
  StreamBatch(std::shared_ptr<const GradientStudent> student, int streams);
  ~StreamBatch();
  StreamBatch(const StreamBatch&) = delete;
  StreamBatch& operator=(const StreamBatch&) = delete;

  /// As GradientStudent::estimate(), for this stream alone; but that the evaluation may wait up to
  /// `milliseconds` for other streams (rendezvous.h says when it doesn't) and be of all their pictures
  /// together. Batches that the memory is too small for are halved, as FittingBatches does; an error reaches
  /// every stream of its batch.
  GradientEstimates estimate(const at::Tensor& pictures, std::span<const NoiseLevel> noise,
                             double milliseconds);

 private:
  struct Place;
  struct Seat;

  std::shared_ptr<const GradientStudent> student_;
  int streams_;
  std::unique_ptr<Seat> seat_;  // at the place of the last size
};

}  // namespace digfusion
