// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Trains the embedded denoiser and its students on generated pictures. Every random choice is a function of
// (seed, step), so that a run that was stopped and resumed gives the weights of one that was not, on the same
// machine and thread count.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/denoiser/model_file.h"
#include "core/denoiser/unet.h"

namespace digfusion {

struct TrainingOptions {
  ModelKind target = ModelKind::denoiser;
  std::string output;  ///< weights are written here, float16 safetensors, at the end and with each checkpoint
  std::string checkpoint;  ///< the run's whole state; empty: output + ".checkpoint"
  bool resume = false;     ///< go on from the checkpoint where it exists
  std::string start;       ///< weights of the same network to start from; empty: random ones
  std::string teacher;     ///< denoiser file of a student's training; empty: the embedded one
  std::uint64_t seed = 1;
  std::int64_t steps = 20000;
  int batch = 16;
  int patch = 128;              ///< pixels, a multiple of the network's multiple()
  double learning_rate = 1e-3;  ///< warmed up over the first 200 steps, then a cosine to 0 at the last
  double average = 0.999;       ///< decay of the weights' moving average, which is what is written
  std::int64_t checkpoint_every = 500;
  int pool = 1024;        ///< generated pictures at hand, 256×256; one is replaced every step
  bool bfloat16 = false;  ///< forward and backward in bfloat16, weights and Adam in float32
  std::string levels;     ///< a student's timesteps; empty: those of the embedded one
  UNetConfig config;      ///< empty widths: that of the embedded network
  std::vector<std::int64_t> widths;  ///< channels of the embedded network's scales instead; empty: its own
};

struct TrainingProgress {
  std::int64_t step, steps;
  double loss;  ///< mean since the last report
  double seconds_per_step;
  double psnr[3];  ///< of held-out pictures denoised at σ = 10, 22, 50 of 255; student: 0
  bool checkpointed;
};

/// Returns when `steps` are done or when `report` returns false (after writing a checkpoint).
/// Throws Error for options or files that can't be used, and when the loss is no longer finite.
void train(const TrainingOptions& options, const std::function<bool(const TrainingProgress&)>& report);

}  // namespace digfusion
