// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where an infrared picture may lie on a visible one, roughly: the correlation of edge directions (Fitch et
// al., Orientation correlation, BMVC 2002) on small pictures over offsets and turns, added up over frames.
#pragma once

#include <opencv2/core.hpp>
#include <vector>

#include "core/image/edge_channels.h"

namespace digfusion {

/// The Fourier transform of edge directions as complex numbers of mean zero, within `mask` and in the upper
/// left corner of `field`; half whitened, on the way from correlation to phase correlation: what repeats over
/// a whole facade says little of the place. The real part of a product of one with another's conjugate,
/// transformed back, is their correlation, -1..1, by offset.
cv::Mat edge_spectrum(const EdgeChannels& channels, const cv::Mat& mask, cv::Size field);

/// A value: copies share no state that changes.
class PlaceSearch {
 public:
  /// `turns`: look at rotations, too, not at offsets alone. `reach`: the largest offset, in the pictures'
  /// pixels.
  PlaceSearch(cv::Size picture, bool turns, double reach);

  /// One pair, of the pictures' size or smaller; `mask` CV_8U marks the infrared picture's pixels that are
  /// some, empty for all. Each call looks at one turn.
  void look(const cv::Mat& visible, const cv::Mat& infrared, const cv::Mat& mask);

  /// Whether every turn has been looked at.
  bool is_complete() const { return looks_ >= turns_.size(); }

  struct Place {
    cv::Matx33d to_infrared;  ///< visible pixel → infrared pixel
    double correlation = 0;   ///< of edge directions, -1..1
    double distinct = 0;      ///< how many standard deviations it lies above that of all places
  };
  /// The best within reach. Only when is_complete().
  Place best() const;
  /// About there.
  Place at(const cv::Matx33d& to_infrared) const;

 private:
  struct Turn {
    double degrees;
    cv::Mat correlation;  ///< by offset, zero in the middle; replaced, never written to
    double weight = 0;
  };
  cv::Matx33d place(const Turn& turn, cv::Point offset) const;
  Place judged(const Turn& turn, cv::Point offset) const;
  double value(const Turn& turn, cv::Point offset) const;

  cv::Size picture_, small_, field_;
  int reach_, around_;  ///< offsets within reach, and those that are compared, on the small picture
  std::vector<Turn> turns_;
  std::size_t looks_ = 0;
};

}  // namespace digfusion
