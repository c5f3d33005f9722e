// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Follows where an infrared picture lies on a visible one, from the two videos alone. Knows no fusion and
// moves nothing (refinement.h does).
#pragma once

#include <algorithm>
#include <opencv2/core.hpp>

#include "core/image/edge_step.h"
#include "core/image/place_search.h"

namespace digfusion {

/// A rough search (place_search.h) until a place stands out; then Gauss-Newton steps on the channels of edge
/// directions (edge_channels.h), every few pictures, whose normal equations are added up, older ones fading:
/// a recursive least squares estimate of an offset or an affine map that stays near rotations. The search
/// goes on beside it, and where it finds a better place elsewhere the estimate starts anew from there. A step
/// is spread over several pictures, so that none takes long.
///
/// A value: copies share no state that changes.
class PlaceTracker {
 public:
  /// `affine`: also rotation, and scale and shear, which are held to nearly none. `reach`: the largest
  /// offset, in the pictures' pixels.
  PlaceTracker(cv::Size picture, bool affine, double reach);

  /// The next pair, CV_32F luma of any scale, of the size given. `mask` CV_8U marks the infrared picture's
  /// pixels that are some, empty for all. To be called for every pair; those that wants_next() isn't for may
  /// be empty.
  void look(const cv::Mat& visible, const cv::Mat& infrared, const cv::Mat& mask = {});
  bool wants_next() const;

  /// Visible pixel → infrared pixel; affine.
  const cv::Matx33d& to_infrared() const { return to_infrared_; }
  /// 0..1; below 0.5 until a place has been found that stands out of all, and the steps there have become
  /// short.
  double confidence() const { return settled_ ? confidence_ : std::min(confidence_, 0.4); }
  cv::Size picture() const { return picture_; }

 private:
  /// A step under way: both pictures on a small grid.
  struct Small {
    void take(const cv::Mat& visible, const cv::Mat& infrared, const cv::Mat& mask, int side);
    void see_visible() { fixed = edge_channels(visible); }
    void see_infrared() { moving = edge_channels(infrared, inside); }
    EdgeStep step(const cv::Matx33d& to_infrared) const;
    cv::Matx33d off(const cv::Matx33d& map) const { return to_full * map * to_full.inv(); }

    cv::Size size;
    cv::Matx33d to_full;
    cv::Mat visible, infrared, inside;
    EdgeChannels fixed, moving;
  };
  enum class Turn { nothing, search, take, infrared, step };
  Turn turn() const;
  void start_at(const cv::Matx33d& place, const cv::Mat& visible, const cv::Mat& infrared,
                const cv::Mat& mask);
  void step();
  bool is_elsewhere();

  cv::Size picture_;
  bool affine_;
  PlaceSearch search_;
  Small small_;
  cv::Matx33d to_infrared_ = cv::Matx33d::eye();
  EdgeStep::Normal information_ = EdgeStep::Normal::zeros();
  double confidence_ = 0;
  bool tracks_ = false, settled_ = false;
  int pictures_ = 0;   ///< of this cycle
  int steps_ = 0;      ///< since tracking began
  int elsewhere_ = 0;  ///< looks in a row that found a better place elsewhere
};

/// Mean and largest distance of the picture's corners after `a` and after `b`.
double mean_corner_distance(const cv::Matx33d& a, const cv::Matx33d& b, cv::Size picture);
double largest_corner_distance(const cv::Matx33d& a, const cv::Matx33d& b, cv::Size picture);

}  // namespace digfusion
