// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/place_search.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace digfusion {
namespace {

constexpr int longest_side = 160;
constexpr double most_turn = 3, turn_step = 1.5;
constexpr double memory = 0.6;  // of a turn's correlation from one look at it to the next

}  // namespace

cv::Mat edge_spectrum(const EdgeChannels& channels, const cv::Mat& mask, cv::Size field) {
  cv::Mat parts[2];
  for (int k = 0; k < 2; ++k) {
    const cv::Mat centred = channels[std::size_t(k)] - cv::mean(channels[std::size_t(k)], mask);
    parts[k] = cv::Mat::zeros(field, CV_32F);
    centred.copyTo(parts[k](cv::Rect({}, centred.size())), mask);
  }
  cv::Mat both, result;
  cv::merge(parts, 2, both);
  cv::dft(both, result, cv::DFT_COMPLEX_OUTPUT);
  cv::split(result, parts);
  cv::Mat strength;
  cv::magnitude(parts[0], parts[1], strength);
  strength += 0.1 * cv::mean(strength)[0] + 1e-9;
  cv::sqrt(strength, strength);
  for (cv::Mat& part : parts) part /= strength;
  cv::merge(parts, 2, result);
  return result * (std::sqrt(double(field.area())) / (cv::norm(result) + 1e-9));
}

PlaceSearch::PlaceSearch(cv::Size picture, bool turns, double reach) : picture_(picture) {
  const double reduction = std::min(1., double(longest_side) / std::max(picture.width, picture.height));
  small_ = {std::max(16, cvRound(picture.width * reduction)),
            std::max(16, cvRound(picture.height * reduction))};
  const int shorter = std::min(small_.width, small_.height);
  reach_ = std::clamp(cvCeil(reach * reduction), 1, shorter / 3);
  around_ = std::max(reach_, shorter / 4);
  field_ = {cv::getOptimalDFTSize(small_.width + around_), cv::getOptimalDFTSize(small_.height + around_)};
  const double most = turns ? most_turn : 0;
  for (double degrees = -most; degrees <= most; degrees += turn_step) turns_.push_back({degrees, {}});
}

cv::Matx33d PlaceSearch::place(const Turn& turn, cv::Point offset) const {
  const double x = (picture_.width - 1) / 2., y = (picture_.height - 1) / 2.,
               c = std::cos(turn.degrees * CV_PI / 180), s = std::sin(turn.degrees * CV_PI / 180),
               to_picture = double(picture_.width) / small_.width;
  const cv::Matx33d turned(c, -s, x - c * x + s * y, s, c, y - s * x - c * y, 0, 0, 1),
      moved(1, 0, offset.x * to_picture, 0, 1, offset.y * to_picture, 0, 0, 1);
  return turned * moved;
}

void PlaceSearch::look(const cv::Mat& visible, const cv::Mat& infrared, const cv::Mat& mask) {
  Turn& turn = turns_[looks_++ % turns_.size()];
  cv::Mat small_visible, small_infrared, small_mask;
  cv::resize(visible, small_visible, small_, 0, 0, cv::INTER_AREA);
  cv::resize(infrared, small_infrared, small_, 0, 0, cv::INTER_AREA);
  if (!mask.empty()) cv::resize(mask, small_mask, small_, 0, 0, cv::INTER_NEAREST);
  const double x = double(small_.width) / picture_.width, y = double(small_.height) / picture_.height;
  const cv::Matx33d to_small(x, 0, .5 * x - .5, 0, y, .5 * y - .5, 0, 0, 1),
      turned = to_small * place(turn, {}) * to_small.inv();
  const EdgeChannels there = warped(edge_channels(small_infrared, small_mask), turned, small_);
  const cv::Mat all(small_, CV_8U, cv::Scalar(255)), inside = warped_mask(small_mask, small_, turned, small_);
  cv::Mat product, result, parts[2];
  cv::mulSpectrums(edge_spectrum(there, inside, field_),
                   edge_spectrum(edge_channels(small_visible), all, field_), product, 0, /*conjB=*/true);
  cv::dft(product, result, cv::DFT_INVERSE | cv::DFT_SCALE | cv::DFT_COMPLEX_OUTPUT);
  cv::split(result, parts);
  cv::Mat window(2 * around_ + 1, 2 * around_ + 1, CV_32F);
  for (int dy = -around_; dy <= around_; ++dy)
    for (int dx = -around_; dx <= around_; ++dx)
      window.at<float>(dy + around_, dx + around_) =
          parts[0].at<float>((dy + field_.height) % field_.height, (dx + field_.width) % field_.width);
  const double weight = memory * turn.weight + 1;
  turn.correlation =
      turn.weight == 0 ? window : cv::Mat((turn.correlation * (memory * turn.weight) + window) / weight);
  turn.weight = weight;
}

double PlaceSearch::value(const Turn& turn, cv::Point offset) const {
  return turn.correlation.at<float>(offset.y + around_, offset.x + around_);
}

PlaceSearch::Place PlaceSearch::judged(const Turn& turn, cv::Point offset) const {
  double mean = 0, square = 0, count = 0;
  for (const Turn& other : turns_) {
    if (other.weight == 0) continue;
    mean += cv::sum(other.correlation)[0];
    square += other.correlation.dot(other.correlation);
    count += double(other.correlation.total());
  }
  mean /= count;
  const double spread = std::sqrt(std::max(0., square / count - mean * mean));
  const double correlation = value(turn, offset);
  return {place(turn, offset), correlation, (correlation - mean) / (spread + 1e-9)};
}

PlaceSearch::Place PlaceSearch::best() const {
  const Turn* best = nullptr;
  cv::Point where;
  double most = 0;
  for (const Turn& turn : turns_) {
    const cv::Rect within(around_ - reach_, around_ - reach_, 2 * reach_ + 1, 2 * reach_ + 1);
    double value = 0;
    cv::Point at;
    cv::minMaxLoc(turn.correlation(within), nullptr, &value, nullptr, &at);
    if (best && value <= most) continue;
    best = &turn;
    most = value;
    where = at - cv::Point(reach_, reach_);
  }
  return judged(*best, where);
}

PlaceSearch::Place PlaceSearch::at(const cv::Matx33d& to_infrared) const {
  const double degrees = std::atan2(to_infrared(1, 0), to_infrared(0, 0)) * 180 / CV_PI;
  const auto nearer = [&](const Turn& a, const Turn& b) {
    return (a.weight > 0) == (b.weight > 0) ? std::abs(a.degrees - degrees) < std::abs(b.degrees - degrees)
                                            : a.weight > 0;
  };
  const Turn& turn = *std::min_element(turns_.begin(), turns_.end(), nearer);
  const cv::Matx33d rest = place(turn, {}).inv() * to_infrared;
  const double x = (picture_.width - 1) / 2., y = (picture_.height - 1) / 2.,
               to_small = double(small_.width) / picture_.width;
  const cv::Vec3d moved = rest * cv::Vec3d(x, y, 1);
  const auto bounded = [&](double offset) {
    return std::clamp(cvRound(offset * to_small), -around_ + 1, around_ - 1);
  };
  const cv::Point near(bounded(moved[0] - x), bounded(moved[1] - y));
  cv::Point top = near;
  for (int dy = -1; dy <= 1; ++dy)
    for (int dx = -1; dx <= 1; ++dx)
      if (value(turn, near + cv::Point(dx, dy)) > value(turn, top)) top = near + cv::Point(dx, dy);
  return judged(turn, top);
}

}  // namespace digfusion
