// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Parameters `batch-streams` and `batch-wait` for frames by kernels: the network of the pictures of several
// streams as one batch, in a stream of the device of its own. The streams' own work goes on around it, each
// in its own stream of the device; events lead from one to the other, and no thread waits for the device.
// stream_batch.h is the same for frames by LibTorch's operators.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/denoiser/gradient_student.h"
#include "core/device/backend.h"

namespace digfusion {

/// Of the batches where a stream has its place.
struct NetworkBatchCounts {
  std::uint64_t batches = 0;    ///< evaluations of the network
  std::uint64_t streams = 0;    ///< in all of them
  std::uint64_t replayed = 0;   ///< of all batches, those that were a graph
  DeviceCounts device;          ///< of the batches' own backend
  bool capture_failed = false;  ///< some batches couldn't be recorded and are started operator by operator
};

/// One stream's place among those of this process that have the same student (so the same file, device and
/// precision), the same size of picture and the same number of streams to a batch. Not thread-safe.
class NetworkBatch {
 public:
  /// Batches of at most `streams` streams' pictures. `backend`, which outlives this, is the stream's.
  NetworkBatch(Backend& backend, std::shared_ptr<const GradientStudent> student, int streams);
  ~NetworkBatch();
  NetworkBatch(const NetworkBatch&) = delete;
  NetworkBatch& operator=(const NetworkBatch&) = delete;

  /// Memory of the backend's, at an address that stays, for what evaluate() gives for features of this size:
  /// `side`, and `fine` for all K pictures.
  UNetOutputs room_for(const at::Tensor& features) const;

  /// GradientStudent::evaluate() into `room`: in the order of `noisy`, from the first row on. To be called
  /// from Backend::run(). It takes what the backend's stream has written when it gets here, and what is
  /// started there afterwards finds the result. Waits up to `milliseconds` for other streams (rendezvous.h
  /// says when it doesn't), and not for the device. Batches that the memory is too small for are halved, as
  /// FittingBatches does; an error reaches every stream of its batch.
  void evaluate(const at::Tensor& features, const at::Tensor& told, const std::vector<std::int64_t>& noisy,
                const UNetOutputs& room, double milliseconds);

  /// The others don't wait for this stream until it comes again.
  void leave();

  NetworkBatchCounts counts() const;

 private:
  struct Place;
  struct Seat;

  Backend& backend_;
  std::shared_ptr<const GradientStudent> student_;
  int streams_;
  std::unique_ptr<Event> ready_;  // in the backend's stream
  std::unique_ptr<Seat> seat_;    // at the place of the last size
};

}  // namespace digfusion
