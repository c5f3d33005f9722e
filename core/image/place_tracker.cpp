// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/place_tracker.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace digfusion {
namespace {

constexpr int start_side = 160, approach_side = 320, fine_side = 480;  // longest sides
constexpr int start_steps = 8;
constexpr int most_approach = 12;    // steps on the middle pictures, each from one pair alone,
constexpr double short_step = 0.15;  // until one is so short, in their pixels
constexpr double memory = 0.93;      // of the information from one step to the next
constexpr double rigidity = 3000;    // how firmly a scale of 1 in both directions is expected
constexpr int search_cycle = 2, approach_cycle = 3, fine_cycle = 9;  // pictures
constexpr double unclear = 5.5, clear = 8.5;  // distinctness for a confidence of 0 and of 1
constexpr double better = 1.3;                // correlation of a place elsewhere that is worth a start
constexpr int patience = 5;                   // looks: each turn has been looked at

template <class Sum>
void for_corners(const cv::Matx33d& a, const cv::Matx33d& b, cv::Size picture, const Sum& add) {
  for (const double x : {0., picture.width - 1.})
    for (const double y : {0., picture.height - 1.}) {
      const cv::Vec3d d = (a - b) * cv::Vec3d(x, y, 1);
      add(std::hypot(d[0], d[1]));
    }
}

double certainty(const PlaceSearch::Place& place) {
  return std::clamp((place.distinct - unclear) / (clear - unclear), 0., 1.);
}

}  // namespace

double mean_corner_distance(const cv::Matx33d& a, const cv::Matx33d& b, cv::Size picture) {
  double sum = 0;
  for_corners(a, b, picture, [&](double distance) { sum += distance / 4; });
  return sum;
}

double largest_corner_distance(const cv::Matx33d& a, const cv::Matx33d& b, cv::Size picture) {
  double most = 0;
  for_corners(a, b, picture, [&](double distance) { most = std::max(most, distance); });
  return most;
}

void PlaceTracker::Small::take(const cv::Mat& full_visible, const cv::Mat& full_infrared, const cv::Mat& mask,
                               int side) {
  const cv::Size full = full_visible.size();
  const double reduction = std::min(1., double(side) / std::max(full.width, full.height));
  size = {std::max(16, cvRound(full.width * reduction)), std::max(16, cvRound(full.height * reduction))};
  const double x = double(full.width) / size.width, y = double(full.height) / size.height;
  to_full = {x, 0, .5 * x - .5, 0, y, .5 * y - .5, 0, 0, 1};
  visible = infrared = inside = cv::Mat();  // a copy of this may share them
  cv::resize(full_visible, visible, size, 0, 0, cv::INTER_AREA);
  cv::resize(full_infrared, infrared, size, 0, 0, cv::INTER_AREA);
  if (!mask.empty()) cv::resize(mask, inside, size, 0, 0, cv::INTER_NEAREST);
}

EdgeStep PlaceTracker::Small::step(const cv::Matx33d& to_infrared) const {
  const cv::Matx33d from = to_full.inv() * to_infrared * to_full;
  EdgeStep step(size);
  step.add(fixed, warped(moving, from, size), warped_mask(inside, size, from, size));
  step.expect_similarity(to_unit(size) * from * to_unit(size).inv(), rigidity, rigidity);
  return step;
}

PlaceTracker::PlaceTracker(cv::Size picture, bool affine, double reach)
    : picture_(picture), affine_(affine), search_(picture, affine, reach) {}

PlaceTracker::Turn PlaceTracker::turn() const {
  if (!tracks_) return pictures_ % search_cycle == 0 ? Turn::search : Turn::nothing;
  const int cycle = settled_ ? fine_cycle : approach_cycle, now = pictures_ % cycle;
  if (now == 0) return Turn::take;
  if (now == cycle / 3) return Turn::infrared;
  if (now == 2 * (cycle / 3)) return Turn::step;
  return now == cycle - 1 && pictures_ / cycle % 2 == 1 ? Turn::search : Turn::nothing;
}

bool PlaceTracker::wants_next() const { return turn() == Turn::search || turn() == Turn::take; }

void PlaceTracker::look(const cv::Mat& visible, const cv::Mat& infrared, const cv::Mat& mask) {
  const Turn now = turn();
  ++pictures_;
  switch (now) {
    case Turn::nothing:
      return;
    case Turn::search: {
      search_.look(visible, infrared, mask);
      if (!search_.is_complete()) return;
      const PlaceSearch::Place best = search_.best();
      if (tracks_ ? is_elsewhere() : best.distinct > unclear)
        start_at(best.to_infrared, visible, infrared, mask);
      return;
    }
    case Turn::take:
      small_.take(visible, infrared, mask, settled_ ? fine_side : approach_side);
      return small_.see_visible();
    case Turn::infrared:
      return small_.see_infrared();
    case Turn::step:
      return step();
  }
}

void PlaceTracker::start_at(const cv::Matx33d& place, const cv::Mat& visible, const cv::Mat& infrared,
                            const cv::Mat& mask) {
  to_infrared_ = place;
  small_.take(visible, infrared, mask, start_side);
  small_.see_visible();
  small_.see_infrared();
  for (int i = 0; i < start_steps; ++i) {
    const EdgeStep step = small_.step(to_infrared_);
    const EdgeStep::Right found = solve(step.normal(), step.right(), affine_ ? 6 : 2);
    to_infrared_ = to_infrared_ * small_.off(EdgeStep::as_map(found, small_.size));
  }
  information_ = EdgeStep::Normal::zeros();
  tracks_ = true;
  settled_ = false;
  pictures_ = steps_ = elsewhere_ = 0;
  confidence_ = certainty(search_.at(to_infrared_));
}

void PlaceTracker::step() {
  const EdgeStep step = small_.step(to_infrared_);
  information_ = information_ * memory + step.normal();
  const EdgeStep::Right found = solve(information_, step.right(), affine_ ? 6 : 2);
  const cv::Matx33d map = EdgeStep::as_map(found, small_.size);
  to_infrared_ = to_infrared_ * small_.off(map);
  ++steps_;
  if (settled_) return;
  // What these steps tell of the place isn't to be kept: they only come nearer.
  information_ = EdgeStep::Normal::zeros();
  settled_ =
      steps_ >= most_approach || largest_corner_distance(map, cv::Matx33d::eye(), small_.size) < short_step;
  if (settled_) pictures_ = 0;
}

bool PlaceTracker::is_elsewhere() {
  const PlaceSearch::Place here = search_.at(to_infrared_), best = search_.best();
  confidence_ = certainty(here);
  const bool is_better = best.correlation > better * here.correlation && best.distinct > unclear;
  elsewhere_ = is_better ? elsewhere_ + 1 : 0;
  return elsewhere_ >= patience;
}

}  // namespace digfusion
