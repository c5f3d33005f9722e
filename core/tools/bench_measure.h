// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `digfusion bench` measures: the core alone, its network alone beside single convolutions, and the
// element in a pipeline, all on the same preloaded frames.
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "core/interface/interface.h"
#include "core/tools/bench_frames.h"

namespace digfusion::tools {

/// How long to measure: until `frames` are done or `seconds` are over, but three frames at least.
struct BenchLength {
  int frames;
  double seconds;
};

struct CoreTimes {
  int frames = 0;
  double frames_per_second = 0;  ///< of fuse() calls back to back, after a warm-up
  Statistics statistics;
};

/// Throws std::runtime_error with the core's message when it can't load or fuse.
CoreTimes measure_core(const Parameters& parameters, std::vector<BenchFrame>& frames, int width, int height,
                       BenchLength length);

/// One 3×3 convolution as the network has them: channels to as many channels.
struct ConvolutionTime {
  std::int64_t channels, height, width;
  double gflops;  ///< 10⁹ floating-point operations a second (two for each multiply-add)
};

struct NetworkTimes {
  int batch = 1;                              ///< pictures in one evaluation, as the method evaluates them
  double milliseconds = 0;                    ///< of one evaluation of the batch, median
  double gflop = 0;                           ///< 10⁹ floating-point operations of one evaluation
  std::vector<ConvolutionTime> convolutions;  ///< at each of the network's scales

  double gflops() const { return gflop / milliseconds * 1e3; }
  const ConvolutionTime& best() const;
  /// One evaluation if all of it ran at the best convolution's rate.
  double floor_milliseconds() const { return gflop / best().gflops * 1e3; }
};

/// The method's network on noise of this size, with the parameters' device, precision and threads; then a
/// convolution at each scale's width and resolution in the same precision, batch and memory format (channels
/// last). Medians over `seconds` in all.
NetworkTimes measure_network(const Parameters& parameters, int width, int height, double seconds);

/// Milliseconds to copy a picture's float32 samples, one a pixel: what memory, or the cache, allows.
double measure_plane_copy(const Parameters& parameters, int width, int height, double seconds);

struct ElementTimes {
  int frames = 0;
  double frames_per_second = 0;  ///< of output buffers, from the first one on
  double busy_cores = 0;         ///< processor time over time
};

/// Why there are no times.
struct ElementProblem {
  bool is_missing;  ///< the program, GStreamer or something of GStreamer that it needs isn't there
  std::string what;
};

/// Runs the program `digfusion-bench-element` beside this one. The sink takes `rate` frames a second, or with
/// 0 all that come. `in_cuda_memory`: the visible frames and the fused ones are.
std::variant<ElementTimes, ElementProblem> measure_element(const Parameters& parameters, int width,
                                                           int height, BenchLength length, int rate = 0,
                                                           bool in_cuda_memory = false);

}  // namespace digfusion::tools
