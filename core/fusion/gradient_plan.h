// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What whole frames of method=gradient (gradient_frame.h) keep for one size and layout of pictures: every
// buffer, on the device and on the host's side, and how pictures lie in them.
#pragma once

#include <ATen/ATen.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "core/denoiser/gradient_student.h"
#include "core/device/backend.h"
#include "core/fusion/gradient_view.h"
#include "core/fusion/infrared_plan.h"
#include "core/interface/interface.h"

namespace digfusion {

/// Rows of a picture's planes, one after another, as staging holds them.
std::int64_t packed_bytes(const Image& image);
/// The image with its planes in packed memory.
Image packed(const Image& image, std::byte* memory);
/// Between two pictures of one layout in the host's memory.
void copy_rows(const Image& from, const Image& to);

/// As a kernel sees it; `negative`: black is what is warm.
PictureView view_of(const Image& image, bool negative);

/// Whether copy_planes() would copy this plane.
bool is_copied(const Image& visible, int plane);

Number number_of(at::ScalarType type);

/// How much of a frame a graph holds. The network of a batch of streams is in none of its own.
enum class Stretch : int { whole, before_network, after_network };

/// What decides which work a frame starts, besides sizes and layouts.
struct FrameKind {
  std::uint32_t noisy;  ///< the sources whose noise is taken away, as bits
  ViewKind view;
  bool fuses;  ///< the view shows something of the fused picture
  Stretch stretch = Stretch::whole;
  auto operator<=>(const FrameKind&) const = default;
};

struct GradientPlan {
  /// Everything of a frame on which its memory and its graphs depend.
  static std::vector<std::int64_t> key_of(std::span<const Image> sources, std::span<const at::Tensor> ready,
                                          std::span<const InfraredWork> infrared, const Image& output);

  /// Allocates, for so many frames in flight, and uploads what never changes. `student` may be null. Pictures
  /// as GradientFrame::fuse() has them.
  GradientPlan(Backend& backend, const GradientStudent* student, std::span<const Image> sources,
               std::span<const at::Tensor> ready, std::span<const InfraredWork> infrared, const Image& output,
               int in_flight);

  /// What a frame knows of the frames before, in device memory.
  std::vector<std::span<std::byte>> past() const;
  /// Whether that is of pictures of the same number and size as `other`'s.
  bool has_past_for(const GradientPlan& other) const;

  std::vector<std::int64_t> key;
  at::Tensor memory, host;  // all of it on the device; what crosses the bus, in the host's memory
  GradientStream stream{};
  std::vector<PoissonGrid> grids;
  struct Staging {
    std::byte *host = nullptr, *device = nullptr;
    std::int64_t bytes = 0;
    std::int64_t curve = 0;  ///< where the curve lies in it, if there is one: behind the picture
  };
  /// What each frame in flight has for itself: all that crosses the bus, on both sides of it.
  struct Slot {
    Staging in, out;                      ///< each is one copy; the others are parts of these
    FrameArguments* arguments = nullptr;  ///< in the host's memory
    std::vector<Staging> source;
    StreamNumbers* numbers = nullptr;  ///< in the host's memory
    Staging result;                    ///< the output
  };
  std::vector<Slot> slots;
  std::vector<std::unique_ptr<InfraredPlan>> infrared;  ///< by source; null where the picture is simply read
  at::Tensor features, told;                            // views of `memory`
  int copies = 0, copy_width = 0, copy_rows = 0;
  ViewExtent view{};
  std::map<FrameKind, std::unique_ptr<Graph>> graphs;
  std::map<FrameKind, int> direct;  // frames without one, in the thread that takes the next
  std::set<FrameKind> refused;      // what couldn't be recorded
  // What a network that isn't part of a graph returned, until the frame is done; with batch-streams the room
  // into which it is written.
  UNetOutputs outputs;
};

}  // namespace digfusion
