// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A method's frames as graphs of a Backend: what LibTorch's operators start for one size and setting is
// recorded once and started again as a whole, on the same addresses. A GPU then doesn't wait for the host to
// start some hundred kernels one after the other. (method=gradient has its own: gradient_frame.h.)
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "core/device/backend.h"
#include "core/device/stream_order.h"
#include "core/fusion/method.h"
#include "core/fusion/noise_fields.h"
#include "core/parameters/parameters.h"

namespace digfusion {

struct RecordedCounts {
  std::uint64_t frames = 0, replayed = 0;  ///< of all frames, those that were a graph
  std::uint64_t recorded = 0;              ///< graphs
  std::uint64_t failed = 0;                ///< sizes and settings that can't be recorded
};

/// One stream. Not thread-safe. Exceptions are the method's and the backend's.
class RecordedMethod {
 public:
  explicit RecordedMethod(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

  /// Calls `frame` in the backend's stream: after what the calling thread's current stream holds, which goes
  /// on after what `frame` starts. So memory may be handed over either way.
  void run(const std::function<void()>& frame);

  /// method.fuse() of a method that is recordable(), from within run(): directly in the first two frames of a
  /// size and setting (cuDNN chooses its algorithms and LibTorch its memory then) and where it can't be
  /// recorded, else as a graph. Three graphs are kept; the one that wasn't used for longest goes. What
  /// doesn't fit into the memory is tried again without them. The result is overwritten by the next frame.
  /// `method` and `noise` live, and are the same, until forget().
  at::Tensor fuse(FusionMethod& method, const at::Tensor& sources, const Parameters& parameters,
                  NoiseFields& noise);

  /// Gives back what was recorded.
  void forget();

  const RecordedCounts& counts() const { return counts_; }

 private:
  using Sizes = std::vector<std::int64_t>;
  struct Key {
    Sizes sizes;
    Parameters parameters;  ///< those that a method's fuse() may look at, the others at their defaults
    bool operator==(const Key&) const = default;
  };
  /// The last frame that wasn't a graph.
  struct Direct {
    Key key;
    std::thread::id thread;  ///< cuDNN's choices are a thread's own
    int frames = 0;
    std::uint64_t forgotten = 0;  ///< by the noise fields, until the last of these frames
    Sizes result;
    std::vector<Sizes> weights;
  };
  struct Recording {
    Key key;
    at::Tensor sources, result;
    std::vector<at::Tensor> weights;
    std::uint64_t evaluations = 0;
    std::map<std::int64_t, at::Tensor> noise;  ///< the graph reads their addresses
    std::unique_ptr<Graph> graph;              ///< goes first
  };

  std::unique_ptr<Recording> record(FusionMethod& method, const at::Tensor& sources, const Key& key,
                                    NoiseFields& noise);
  at::Tensor replay(Recording& recording, FusionMethod& method, const at::Tensor& sources);
  at::Tensor fuse_directly(FusionMethod& method, const at::Tensor& sources, const Parameters& parameters,
                           NoiseFields& noise);

  std::unique_ptr<Backend> backend_;
  StreamPoint before_, after_;
  Direct direct_;
  std::list<std::unique_ptr<Recording>> recordings_;  ///< the last used first
  std::list<Key> refused_;                            ///< what can't be recorded, the last one first
  RecordedCounts counts_;
};

}  // namespace digfusion
