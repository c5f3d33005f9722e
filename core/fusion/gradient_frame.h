// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whole frames of method=gradient on a Backend: from the planes of the sources to the planes of the output,
// one sequence of kernels and one network, recorded as a graph for each size and layout. The rule is that of
// gradient.h, with one difference: whether a picture's noise is taken away at all is decided by the frame
// before (by the frame itself at a stream's start), since the graph with that part is another one. How much
// of it is this frame's.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/denoiser/gradient_student.h"
#include "core/device/backend.h"
#include "core/interface/interface.h"
#include "core/parameters/parameters.h"

namespace digfusion {

struct FrameKind;
struct GradientPlan;

struct GradientFrameCounts {
  std::uint64_t frames = 0, replayed = 0;  ///< of all frames, those that were a graph
  std::uint64_t plans = 0;                 ///< sizes and layouts for which memory was allocated
  bool capture_failed = false;             ///< frames are started kernel by kernel since
};

/// One part of the last frame, between two events of the stream.
struct FramePart {
  const char* name;
  double milliseconds;
};

/// One stream. Not thread-safe. Exceptions: Error, c10::Error, std::runtime_error; the past is then as
/// before.
class GradientFrame {
 public:
  /// `student` may be null for evidence=gradient; else its weights are on the backend's device. `graphs`
  /// false: kernel by kernel, which is what graphs are compared with.
  GradientFrame(std::unique_ptr<Backend> backend, std::shared_ptr<const GradientStudent> student,
                bool graphs = true);
  ~GradientFrame();

  /// Whether these parameters ask for what this does: method=gradient with evidence student or gradient,
  /// luma, no stretched contrast, no highlight-above.
  static bool takes(const Parameters& parameters);

  /// Image `i` of the sources is read by the kernels, or where ready[i] is defined ([1,1,H,W] float32 on
  /// -1..1 on the CPU, H and W those of sources[0]) that instead. All others have the size of sources[0].
  /// `negative[i]`: black is what is warm. Images may be in the host's memory or on the backend's device. All
  /// are as check_image() and StreamFuser::fuse() want them.
  void fuse(std::span<const Image> sources, std::span<const at::Tensor> ready, std::span<const bool> negative,
            const Image& output, const Parameters& parameters);

  /// Forgets the frames before.
  void reset();
  /// Gives back what was allocated and recorded, too.
  void release();

  /// The fused luma of the last frame [1,1,H,W], on the device; overwritten by the next.
  at::Tensor fused() const;

  /// What the last frame's kernels made on their way, by name, [N,1,H,W] float32 on the device; overwritten
  /// by the next. For comparing one device with another.
  std::vector<std::pair<std::string, at::Tensor>> stages() const;

  /// The parts of the next frames are timed by events, in frames that are no graphs.
  void time_parts(bool on) { timed_ = on; }
  const std::vector<FramePart>& parts() const { return parts_; }

  const GradientFrameCounts& counts() const { return counts_; }
  Backend& backend() { return *backend_; }
  /// Of the last frame: the mean of the infrared sources' weights, as Fuser::weight_means() has it; nothing
  /// where the view shows nothing of the fused picture.
  std::optional<double> infrared_share() const { return infrared_share_; }
  std::uint64_t evaluations() const { return student_ ? evaluations_ : 0; }

 private:
  GradientPlan& plan_for(std::span<const Image> sources, std::span<const at::Tensor> ready,
                         const Image& output);
  void start_frame(GradientPlan& plan, const FrameKind& kind);
  void start_reading(GradientPlan& plan, const FrameKind& kind);
  void start_fusion(GradientPlan& plan, std::uint32_t noisy);
  void mark(const char* name);

  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const GradientStudent> student_;
  bool graphs_, timed_ = false;
  std::list<std::unique_ptr<GradientPlan>> plans_;  ///< the last used first
  std::optional<Parameters> before_;                ///< of the last frame
  bool restart_ = true, restart_noise_ = true;
  std::uint32_t noisy_ = 0;  ///< sources in which the last frame found noise, as bits
  std::uint64_t evaluations_ = 0;
  std::optional<double> infrared_share_;
  GradientFrameCounts counts_;
  std::vector<std::pair<const char*, std::unique_ptr<Event>>> marks_;
  std::size_t marked_ = 0;
  std::vector<FramePart> parts_;
};

}  // namespace digfusion
