// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/metrics/motion.h"

#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <utility>

namespace digfusion::metrics {
namespace {

constexpr double consistent = 1;  // pixels

cv::Ptr<cv::DISOpticalFlow> make_flow() {
  return cv::DISOpticalFlow::create(cv::DISOpticalFlow::PRESET_MEDIUM);
}

/// 8 bits, as the flow takes it and a recorded video has it.
cv::Mat rounded(const cv::Mat& picture) {
  if (picture.type() != CV_64FC1 || picture.rows < 32 || picture.cols < 32)
    throw std::invalid_argument("motion needs gray frames of one size, 32×32 pixels or more");
  cv::Mat result;
  picture.convertTo(result, CV_8U);
  return result;
}

FlowPair flows(cv::DISOpticalFlow& flow, const cv::Mat& before, const cv::Mat& now) {
  if (before.size() != now.size())
    throw std::invalid_argument("motion needs gray frames of one size, 32×32 pixels or more");
  FlowPair pair;
  flow.calc(before, now, pair.forward);
  flow.calc(now, before, pair.backward);
  return pair;
}

/// What `picture` shows at the places where `flow` leads.
cv::Mat warped(const cv::Mat& picture, const cv::Mat& flow) {
  cv::Mat places = flow.clone();
  places.forEach<cv::Point2f>([](cv::Point2f& place, const int* at) {
    place.x += static_cast<float>(at[1]);
    place.y += static_cast<float>(at[0]);
  });
  cv::Mat result;
  cv::remap(picture, result, places, cv::noArray(), cv::INTER_LINEAR, cv::BORDER_REPLICATE);
  return result;
}

/// Where going there and back ends near the start.
cv::Mat leads_back(const cv::Mat& there, const cv::Mat& back) {
  cv::Mat parts[2], length;
  cv::split(there + warped(back, there), parts);
  cv::magnitude(parts[0], parts[1], length);
  return length < consistent;
}

cv::Mat as_float(const cv::Mat& picture) {
  cv::Mat result;
  picture.convertTo(result, CV_32F);
  return result;
}

double warping_error(const cv::Mat& now, const cv::Mat& neighbour, const cv::Mat& flow, const cv::Mat& mask) {
  return cv::mean(cv::abs(as_float(now) - warped(as_float(neighbour), flow)), mask)[0];
}

/// Mean |(G₁₂ - G₀₁) - (R₁₂ - R₀₁)| over pixels and both components.
double change_of_motion(const FlowPair& fused_now, const FlowPair& fused_before, const FlowPair& now,
                        const FlowPair& before) {
  const cv::Mat difference =
      cv::abs((fused_now.forward - fused_before.forward) - (now.forward - before.forward));
  const cv::Scalar mean = cv::mean(difference);
  return (mean[0] + mean[1]) / 2;
}

}  // namespace

SourceMotions::SourceMotions() : flow_(make_flow()) {}

void SourceMotions::add(const cv::Mat& visible, const cv::Mat& infrared) {
  const cv::Mat now[] = {rounded(visible), rounded(infrared)};
  if (!visible_.empty()) {
    SourceMotion motion{flows(*flow_, visible_, now[0]), flows(*flow_, infrared_, now[1]), {}, {}};
    motion.before_valid = leads_back(motion.visible.forward, motion.visible.backward) &
                          leads_back(motion.infrared.forward, motion.infrared.backward);
    motion.now_valid = leads_back(motion.visible.backward, motion.visible.forward) &
                       leads_back(motion.infrared.backward, motion.infrared.forward);
    before_ = std::move(last_);
    last_ = std::move(motion);
  }
  visible_ = now[0];
  infrared_ = now[1];
}

MotionMeter::MotionMeter() : flow_(make_flow()) {}

void MotionMeter::add(const cv::Mat& fused, const SourceMotions& sources) {
  const cv::Mat now = rounded(fused);
  FlowPair pair;
  if (frames_ >= 1) pair = flows(*flow_, fused_[0], now);
  if (frames_ >= 2 && sources.before() && sources.last()) {
    const SourceMotion &first = *sources.before(), &second = *sources.last();
    biswe_ += warping_error(fused_[0], fused_[1], last_.backward, first.now_valid) +
              warping_error(fused_[0], now, pair.forward, second.before_valid);
    ms2r_ += (change_of_motion(pair, last_, second.visible, first.visible) +
              change_of_motion(pair, last_, second.infrared, first.infrared)) /
             2;
    ++triples_;
  }
  last_ = std::move(pair);
  fused_[1] = fused_[0];
  fused_[0] = now;
  ++frames_;
}

Motion MotionMeter::result() const {
  if (triples_ == 0) return {};
  return {biswe_ / triples_, ms2r_ / triples_};
}

}  // namespace digfusion::metrics
