// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The parameter registration-refine: what infrared-fit or registration say is corrected slowly while the
// video runs, by where the infrared picture's edges lie on the visible ones (place_tracker.h).
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "core/image/place_tracker.h"
#include "core/image/placed.h"
#include "core/interface/interface.h"
#include "core/parameters/parameters.h"

namespace digfusion {

/// One infrared source of a stream. A value: copies share no state that changes.
class Refiner {
 public:
  /// Mode isn't off; `limit` in visible pixels.
  Refiner(Refinement mode, double limit) : mode_(mode), limit_(limit) {}

  /// The picture in its corrected place: at most a pixel from where the last one was. What leaves the
  /// picture is lost; where nothing comes in the visible picture stands, faded as RemapTable does it.
  Placed apply(const Placed& placed) const;

  /// Learns from a pair: the infrared picture before apply().
  void look(const Placed& placed, const at::Tensor& visible);
  /// Whether the next look() reads more of its pictures than their size.
  bool wants_next() const { return !tracker_ || tracker_->wants_next(); }

  /// Of apply(): visible pixel → pixel of the placed picture; affine.
  const cv::Matx33d& to_infrared() const { return applied_; }

  /// Fills refined_x to camera_moved. When the camera has moved it is what was found that is told, otherwise
  /// what is applied.
  void report(FrameReport& report) const;

 private:
  void restart(cv::Size size);
  void approach(const cv::Matx33d& target);
  void set_applied(const cv::Matx33d& to_infrared);

  Refinement mode_;
  double limit_;
  std::optional<PlaceTracker> tracker_;       ///< from the first pair on
  cv::Matx33d applied_ = cv::Matx33d::eye();  ///< visible pixel → pixel of the placed picture
  bool is_moving_ = false, moved_ = false;    ///< to a target; beyond the limit
  at::Tensor places_;  ///< [1,H,W,2] for grid_sampler(); undefined while nothing is applied. Never written to
  at::Tensor share_;   ///< [1,1,H,W] of a picture that covered all; undefined: 1 everywhere
};

/// All infrared sources of a stream, by their index.
class Refiners {
 public:
  /// Forgets everything where the place that is refined, or how, is another than before.
  void configure(const Parameters& parameters);
  void restart() { refiners_.clear(); }

  bool refines() const { return settings_.registration_refine != Refinement::off; }
  /// Refiner::apply().
  Placed apply(std::size_t index, const Placed& placed) const;
  void look(std::size_t index, const Placed& placed, const at::Tensor& visible);
  /// Refiner::report() of source `index` alone.
  void report(std::size_t index, FrameReport& report) const;

 private:
  Parameters settings_;
  std::vector<std::optional<Refiner>> refiners_;
};

}  // namespace digfusion
