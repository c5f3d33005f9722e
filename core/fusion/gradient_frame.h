// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whole frames of method=gradient on a Backend: from the planes of the sources to the planes of the output,
// one sequence of kernels and one network, recorded as a graph for each size and layout. The rule is that of
// gradient.h, with one difference: whether a picture's noise is taken away at all is decided by the frame
// before, since the graph with that part is another one; with two frames in flight by the one before that,
// which is always done when a frame begins, so that it doesn't matter whether frames really overlap. A
// stream's first frame decides for itself, and for the second of two in flight. How much of it is taken away
// is this frame's.
//
// Pictures in the host's memory cross the bus in streams of their own, so that one frame is uploaded while
// the one before is computed, and computed while that one is downloaded. What frames have in common (planes,
// past) is used by the computing stream alone, one after another; what crosses is a frame's own
// (GradientPlan::Slot), and used again when finish() has waited for the last that happened to it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/denoiser/gradient_student.h"
#include "core/device/backend.h"
#include "core/fusion/gradient_plan.h"
#include "core/fusion/infrared_plan.h"
#include "core/fusion/network_batch.h"
#include "core/interface/interface.h"
#include "core/parameters/parameters.h"

namespace digfusion {

struct GradientFrameCounts {
  std::uint64_t frames = 0, replayed = 0;  ///< of all frames, those that were a graph
  std::uint64_t plans = 0;                 ///< sizes and layouts for which memory was allocated
  bool capture_failed = false;  ///< some frames couldn't be recorded and are started kernel by kernel
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
  /// false: kernel by kernel, which is what graphs are compared with. `in_flight`: frames that may be begun
  /// before the oldest of them is finished, 1 or 2. `batch_streams`: of how many streams of this process
  /// pictures are evaluated together (network_batch.h); a frame is three parts then, of which the network
  /// isn't in this stream's graphs, and begin() waits for the others for as long as the parameters say.
  GradientFrame(std::unique_ptr<Backend> backend, std::shared_ptr<const GradientStudent> student,
                bool graphs = true, int in_flight = 1, int batch_streams = 1);
  /// Waits for frames that aren't finished.
  ~GradientFrame();

  /// Whether these parameters ask for what this does: method=gradient with evidence student or gradient,
  /// luma, no stretched contrast, no highlight-above.
  static bool takes(const Parameters& parameters);

  /// Image `i` of the sources is read by the kernels, or where ready[i] is defined ([1,1,h,w] float32 on
  /// -1..1 on the CPU, of the image's size) that instead. `negative[i]`: black is what is warm. `infrared[i]`
  /// says how picture i > 0 comes onto the grid of sources[0]; without it their sizes are the same. Images
  /// may be in the host's memory or on the backend's device. All are as check_image() and StreamFuser::fuse()
  /// want them.
  void fuse(std::span<const Image> sources, std::span<const at::Tensor> ready, std::span<const bool> negative,
            const Image& output, const Parameters& parameters, std::span<const InfraredWork> infrared = {});

  /// The halves of fuse(). begin() starts a frame; `ready`, `negative` and `infrared` are no longer needed
  /// then, pictures in the host's memory neither, but those on the device and the output's memory stay until
  /// finish(), which is the oldest begun frame's. A frame that fails in begin() is not finished, and nothing
  /// of it is under way any more. One that fails in finish() by its own numbers leaves the past and the next
  /// frame alone; when the device has failed the frames begun after it fail as well.
  void begin(std::span<const Image> sources, std::span<const at::Tensor> ready,
             std::span<const bool> negative, const Image& output, const Parameters& parameters,
             std::span<const InfraredWork> infrared = {});
  void finish();
  int in_flight() const { return static_cast<int>(lanes_.size()); }

  /// Takes over what `before`, whose place it takes in a running stream on the same device and which has no
  /// frame in flight, knows of the frames before.
  void inherit(GradientFrame& before);
  /// Forgets the frames before.
  void reset();
  /// Gives back what was allocated and recorded, too, and drops frames that aren't finished.
  void release();

  /// The fused luma of the last frame [1,1,H,W], on the device; overwritten by the next that is begun.
  at::Tensor fused() const;

  /// What the last frame's kernels made on their way, by name, [N,1,H,W] float32 on the device; overwritten
  /// by the next that is begun. For comparing one device with another.
  std::vector<std::pair<std::string, at::Tensor>> stages() const;

  /// The parts of the next frames are timed by events, in frames that are no graphs; known when they are
  /// finished.
  void time_parts(bool on) { timed_ = on; }
  const std::vector<FramePart>& parts() const { return parts_; }

  const GradientFrameCounts& counts() const { return counts_; }
  NetworkBatchCounts batch_counts() const { return batch_ ? batch_->counts() : NetworkBatchCounts{}; }
  Backend& backend() { return *backend_; }
  /// Of the last frame: the mean of the infrared sources' weights, as Fuser::weight_means() has it; nothing
  /// where the view shows nothing of the fused picture.
  std::optional<double> infrared_share() const { return infrared_share_; }
  std::uint64_t evaluations() const { return student_ ? evaluations_ : 0; }

 private:
  struct Mark {
    const char* name;
    Backend* stream;
    std::unique_ptr<Event> event;
  };
  /// Frames take turns in these.
  struct Lane {
    std::unique_ptr<Event> uploaded, computed, downloaded;
    std::vector<Mark> marks;
    std::size_t marked = 0;
  };
  struct Flight {
    std::shared_ptr<GradientPlan> plan;
    std::size_t lane = 0;
    FrameKind kind{};
    Image output;
    std::size_t sources = 0;
    std::uint32_t decided = 0;  ///< the one of decisions_ that it took
    std::uint64_t start = 0;    ///< starts_ when it was begun
    bool dropped = false;
  };

  std::shared_ptr<GradientPlan> plan_for(std::span<const Image> sources, std::span<const at::Tensor> ready,
                                         std::span<const InfraredWork> infrared, const Image& output);
  void fill_arguments(GradientPlan& plan, std::size_t lane, std::span<const Image> sources,
                      std::span<const at::Tensor> ready, std::span<const bool> negative, const Image& output,
                      const Parameters& parameters, std::span<const InfraredWork> infrared);
  void start(Flight& flight);
  std::uint32_t decide_noise(GradientPlan& plan, Flight& flight);
  bool play(GradientPlan& plan, const FrameKind& kind, const std::function<void()>& part);
  void start_frame(GradientPlan& plan, const FrameKind& kind);
  void start_reading(GradientPlan& plan, const FrameKind& kind);
  void start_rest(GradientPlan& plan, const FrameKind& kind);
  void start_fusion(GradientPlan& plan, std::uint32_t noisy);
  void take_past_of(const std::shared_ptr<GradientPlan>& last);
  void mark(const char* name, Backend& stream);
  void mark(const char* name) { mark(name, *backend_); }
  void settle() noexcept;

  std::unique_ptr<Backend> backend_, upload_, download_;
  std::shared_ptr<const GradientStudent> student_;
  std::unique_ptr<NetworkBatch> batch_;  ///< with batch-streams
  bool graphs_, timed_ = false;
  std::list<std::shared_ptr<GradientPlan>> plans_;  ///< the last used first
  std::shared_ptr<GradientPlan> inherited_;         ///< until there is one of its own
  std::vector<Lane> lanes_;                         ///< as many as frames in flight
  std::size_t lane_ = 0;                            ///< of the next frame
  std::deque<Flight> flights_;                      ///< begun, the oldest first
  std::thread::id thread_;                          ///< of the last begin()
  std::optional<Parameters> before_;                ///< of the last frame
  bool restart_ = true, restart_noise_ = true;
  std::uint64_t starts_ = 0;  ///< how often noise was decided anew
  /// Sources whose noise is taken away where that is automatic, as bits: of the next frames that aren't
  /// begun.
  std::deque<std::uint32_t> decisions_;
  std::uint64_t evaluations_ = 0;
  std::optional<double> infrared_share_;
  GradientFrameCounts counts_;
  std::vector<FramePart> parts_;
};

}  // namespace digfusion
