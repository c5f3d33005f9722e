// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/metrics/metrics.h"
#include "core/metrics/motion.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/metrics/baselines.h"
#include "core/metrics/hot_target.h"
#include "core/metrics/statistics.h"
#include "core/metrics/steadiness.h"
#include "core/metrics/structure.h"
#include "tests/core/metrics/metric_twins.h"

namespace digfusion::metrics {
namespace {

struct Triple {
  cv::Mat fused, a, b;
};

// Three pictures that have something in common, of which `flat` pixels at the left are constant.
Triple random_triple(cv::Size size, std::uint64_t seed, int flat = 0, bool whole = false) {
  cv::RNG random(seed);
  Triple t{cv::Mat(size, CV_64F), cv::Mat(size, CV_64F), cv::Mat(size, CV_64F)};
  for (int y = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x) {
      const double slope = 100.0 + 60.0 * std::sin(0.2 * x) * std::cos(0.13 * y);
      double a = slope + random.uniform(-50.0, 50.0), b = 255.0 - slope + random.uniform(-80.0, 80.0);
      if (x < flat) a = 30.0, b = 200.0;
      double f = 0.6 * a + 0.4 * b + (x < flat ? 0.0 : random.uniform(-20.0, 20.0));
      for (double* v : {&a, &b, &f}) *v = std::clamp(whole ? std::round(*v) : *v, 0.0, 255.0);
      t.a.at<double>(y, x) = a;
      t.b.at<double>(y, x) = b;
      t.fused.at<double>(y, x) = f;
    }
  return t;
}

void expect_close(double value, double twin, const char* name) {
  EXPECT_NEAR(value, twin, 1e-9 * std::max(1.0, std::abs(twin))) << name;
}

void expect_equal_to_twins(const Triple& t) {
  const auto& [f, a, b] = t;
  const Figures figures = measure(f, a, b);
  expect_close(figures.en, twins::entropy(f), "EN");
  expect_close(figures.sd, twins::standard_deviation(f), "SD");
  expect_close(figures.sf, twins::spatial_frequency(f), "SF");
  expect_close(figures.ag, twins::average_gradient(f), "AG");
  expect_close(figures.ei, twins::edge_intensity(f), "EI");
  expect_close(figures.mi, twins::mutual_information(f, a) + twins::mutual_information(f, b), "MI");
  const double mse_a = twins::mean_squared_error(a, f), mse_b = twins::mean_squared_error(b, f);
  expect_close(figures.mse, (mse_a + mse_b) / 2, "MSE");
  expect_close(figures.psnr, 10 * std::log10(65025 / ((mse_a + mse_b) / 2)), "PSNR");
  expect_close(figures.psnr_sum, 10 * std::log10(65025 / mse_a) + 10 * std::log10(65025 / mse_b), "PSNR sum");
  expect_close(figures.cc, (twins::correlation(a, f) + twins::correlation(b, f)) / 2, "CC");
  expect_close(figures.scd, twins::correlation(a, f - b) + twins::correlation(b, f - a), "SCD");
  expect_close(figures.ssim, twins::structural_similarity(a, f) + twins::structural_similarity(b, f), "SSIM");
  expect_close(figures.viff,
               twins::visual_information_fidelity(a, f) + twins::visual_information_fidelity(b, f), "VIFF");
  expect_close(figures.qabf, twins::qabf(f, a, b), "Qabf");
  expect_close(figures.nabf, twins::nabf(f, a, b), "Nabf");
}

TEST(Metrics, AreTheirBruteForceTwins) {
  for (const cv::Size size : {cv::Size(64, 48), cv::Size(41, 41), cv::Size(57, 43), cv::Size(42, 61)}) {
    SCOPED_TRACE(std::to_string(size.width) + "x" + std::to_string(size.height));
    expect_equal_to_twins(random_triple(size, size.area()));
  }
}

TEST(Metrics, AreTheirBruteForceTwinsOnWholeNumbersAndFlatRegions) {
  expect_equal_to_twins(random_triple({63, 45}, 5, 25, true));
  // A fused picture that inverts its sources: negative gains in VIFF, angles apart in Qabf.
  Triple t = random_triple({49, 50}, 6, 0, true);
  t.fused = 255.0 - t.a;
  expect_equal_to_twins(t);
}

TEST(Metrics, TakeAPartOfALargerPictureAsAPicture) {
  const Triple t = random_triple({80, 70}, 7);
  const cv::Rect part(9, 5, 51, 47);
  expect_equal_to_twins({t.fused(part), t.a(part), t.b(part)});
  const Figures inside = measure(t.fused(part), t.a(part), t.b(part));
  const Figures alone = measure(t.fused(part).clone(), t.a(part).clone(), t.b(part).clone());
  for (const Column& column : columns) expect_close(inside.*column.value, alone.*column.value, column.name);
}

TEST(Metrics, OfEqualPicturesAreKnown) {
  const cv::Mat a = random_triple({60, 50}, 8).a;
  const Figures figures = measure(a, a, a);
  EXPECT_EQ(figures.mse, 0.0);
  EXPECT_EQ(figures.psnr, std::numeric_limits<double>::infinity());
  EXPECT_EQ(figures.psnr_sum, std::numeric_limits<double>::infinity());
  EXPECT_NEAR(figures.cc, 1.0, 1e-12);
  EXPECT_NEAR(figures.ssim, 2.0, 1e-12);
  EXPECT_NEAR(figures.viff, 2.0, 1e-6);
  EXPECT_NEAR(figures.mi, 2.0 * figures.en * std::log(2.0), 1e-9);  // I(a;a) is the entropy
  EXPECT_NEAR(figures.scd, 0.0, 1e-12);                             // f - b is constant
  // Q at G = A = 1.
  EXPECT_NEAR(figures.qabf, 0.9994 / (1 + std::exp(-7.5)) * 0.9879 / (1 + std::exp(-4.4)), 1e-12);
  EXPECT_EQ(figures.nabf, 0.0);
}

TEST(Metrics, OfConstantPicturesAreKnownAndFinite) {
  const cv::Size size(48, 44);
  const cv::Mat f(size, CV_64F, 100.1), a(size, CV_64F, 40.3), b(size, CV_64F, 200.7);
  const Figures figures = measure(f, a, b);
  EXPECT_EQ(figures.en, 0.0);
  EXPECT_NEAR(figures.sd, 0.0, 1e-6);
  EXPECT_EQ(figures.sf, 0.0);
  EXPECT_EQ(figures.ag, 0.0);
  EXPECT_NEAR(figures.ei, 0.0, 1e-9);
  EXPECT_EQ(figures.mi, 0.0);
  const double mse_a = 59.8 * 59.8, mse_b = 100.6 * 100.6;
  EXPECT_NEAR(figures.mse, (mse_a + mse_b) / 2, 1e-9);
  EXPECT_NEAR(figures.psnr, 10 * std::log10(65025 / ((mse_a + mse_b) / 2)), 1e-9);
  EXPECT_EQ(figures.cc, 0.0);
  EXPECT_EQ(figures.scd, 0.0);
  const auto luminance = [](double x, double y) { return (2 * x * y + 6.5025) / (x * x + y * y + 6.5025); };
  EXPECT_NEAR(figures.ssim, luminance(100.1, 40.3) + luminance(100.1, 200.7), 1e-9);
  EXPECT_NEAR(figures.viff, 0.0, 1e-9);
  EXPECT_TRUE(std::isfinite(figures.qabf));  // the zero border of Sobel is an edge
  EXPECT_TRUE(std::isfinite(figures.nabf));

  const cv::Mat black = cv::Mat::zeros(size, CV_64F);
  const Figures none = measure(black, black, black);
  EXPECT_EQ(none.qabf, 0.0);
  EXPECT_EQ(none.nabf, 0.0);
  EXPECT_EQ(none.viff, 0.0);
}

TEST(Metrics, OfTwoLevelsHaveOneBit) {
  cv::Mat f(60, 50, CV_64F, 10.0);
  f.colRange(0, 25).setTo(250.0);
  EXPECT_DOUBLE_EQ(entropy(f), 1.0);
  EXPECT_NEAR(mutual_information(f, f), std::log(2.0), 1e-12);
  EXPECT_NEAR(mutual_information(f, 255.0 - f), std::log(2.0), 1e-12);
  EXPECT_NEAR(correlation(f, 255.0 - f), -1.0, 1e-12);
  EXPECT_DOUBLE_EQ(standard_deviation(f), 120.0);
  EXPECT_NEAR(peak_signal_to_noise_ratio(mean_squared_error(f, f + 1.0)), 48.1308, 1e-4);
}

TEST(Metrics, OfARampAreItsSlope) {
  cv::Mat ramp(45, 50, CV_64F);
  for (int y = 0; y < ramp.rows; ++y)
    for (int x = 0; x < ramp.cols; ++x) ramp.at<double>(y, x) = 3.0 * x + 2.0 * y;
  const Figures figures = measure(ramp, ramp, ramp);
  EXPECT_NEAR(figures.sf, std::sqrt(9.0 + 4.0), 1e-12);
  EXPECT_NEAR(figures.ag, std::sqrt((9.0 + 4.0) / 2.0), 1e-12);
}

TEST(Metrics, CountVifContrastAboveOne) {
  const cv::Mat a = random_triple({60, 60}, 9).a;
  const double mean = cv::mean(a)[0];
  EXPECT_GT(visual_information_fidelity(a, mean + 1.2 * (a - mean)), 1.0);
  EXPECT_LT(visual_information_fidelity(a, mean + 0.5 * (a - mean)), 1.0);
  EXPECT_EQ(visual_information_fidelity(cv::Mat(60, 60, CV_64F, 7.0), a), 0.0);
}

TEST(Metrics, AreTheSameFromManyThreads) {
  const Triple t = random_triple({64, 64}, 10);
  const Figures expected = measure(t.fused, t.a, t.b);
  std::vector<Figures> results(4);
  {
    std::vector<std::jthread> threads;
    for (Figures& result : results) threads.emplace_back([&] { result = measure(t.fused, t.a, t.b); });
  }
  for (const Figures& result : results)
    for (const Column& column : columns)
      EXPECT_EQ(result.*column.value, expected.*column.value) << column.name;
}

// The message of the error that measuring these pictures ends with; empty: none.
std::string error_of(const cv::Mat& f, const cv::Mat& a, const cv::Mat& b) {
  try {
    measure(f, a, b);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

TEST(Metrics, SayWhatIsWrongWithAPicture) {
  const cv::Mat good(50, 60, CV_64F, 1.0);
  EXPECT_EQ(error_of(good, good, good), "");
  const auto expect = [](const std::string& message, const char* part) {
    EXPECT_NE(message.find(part), std::string::npos) << "message: " << message;
  };
  expect(error_of(cv::Mat(), good, good), "the fused picture is empty");
  expect(error_of(good, good, cv::Mat(0, 5, CV_64F)), "the second source picture is empty");
  expect(error_of(good, cv::Mat(50, 60, CV_8U, 1.0), good), "first source picture is not float64");
  expect(error_of(good, good, cv::Mat(60, 50, CV_64F, 1.0)),
         "fused 60x50, first source 60x50, second source 50x60");
  const cv::Mat small(40, 60, CV_64F, 1.0);
  expect(error_of(small, small, small), "60x40 are too small");
  cv::Mat bad = good.clone();
  bad.at<double>(3, 4) = std::nan("");
  expect(error_of(good, bad, good), "first source picture holds a value outside 0..255 at column 4, row 3");
  bad.at<double>(3, 4) = 255.5;
  expect(error_of(bad, good, good), "fused picture holds a value outside");
  bad.at<double>(3, 4) = -1e-9;
  expect(error_of(good, good, bad), "second source picture holds a value outside");
}

TEST(Baselines, AverageIsNotRoundedAndMaximumIsPerPixel) {
  const Triple t = random_triple({41, 33}, 11, 0, true);
  const cv::Mat average = fuse_average(t.a, t.b), maximum = fuse_maximum(t.a, t.b);
  for (int y = 0; y < t.a.rows; ++y)
    for (int x = 0; x < t.a.cols; ++x) {
      const double a = t.a.at<double>(y, x), b = t.b.at<double>(y, x);
      ASSERT_EQ(average.at<double>(y, x), (a + b) / 2.0);
      ASSERT_EQ(maximum.at<double>(y, x), std::max(a, b));
    }
}

TEST(Baselines, LaplacianIsItsBruteForceTwin) {
  for (const cv::Size size :
       {cv::Size(64, 64), cv::Size(57, 43), cv::Size(33, 70), cv::Size(16, 17), cv::Size(3, 2)}) {
    SCOPED_TRACE(std::to_string(size.width) + "x" + std::to_string(size.height));
    const Triple t = random_triple(size, 12);
    const cv::Mat fused = fuse_laplacian(t.a, t.b);
    EXPECT_EQ(cv::norm(fused, twins::laplacian(t.a, t.b), cv::NORM_INF), 0.0);
  }
}

TEST(Baselines, LeaveEqualPicturesAsTheyAre) {
  const cv::Mat a = random_triple({61, 47}, 13, 0, true).a;
  for (const Baseline& baseline : baselines)
    EXPECT_EQ(cv::norm(baseline.fuse(a, a), a, cv::NORM_INF), 0.0) << baseline.name;
}

TEST(Baselines, RefuseWhatTheyCannotFuse) {
  const cv::Mat a(20, 20, CV_64F, 1.0);
  for (const Baseline& baseline : baselines) {
    EXPECT_THROW(baseline.fuse(a, cv::Mat(20, 21, CV_64F, 1.0)), std::invalid_argument) << baseline.name;
    EXPECT_THROW(baseline.fuse(a, cv::Mat(20, 20, CV_8U, 1.0)), std::invalid_argument) << baseline.name;
    EXPECT_THROW(baseline.fuse(cv::Mat(), cv::Mat()), std::invalid_argument) << baseline.name;
  }
}

TEST(HotTargetContrast, IsTheShareOfTheInfraredPicturesOwn) {
  cv::Mat infrared(120, 160, CV_64F, cv::Scalar(60));
  infrared(cv::Rect(70, 40, 12, 24)) = 200;
  EXPECT_NEAR(hot_target_contrast(infrared, infrared).value(), 1, 1e-12);
  EXPECT_NEAR(hot_target_contrast(infrared * .5 + 40, infrared).value(), .5, 1e-9);
  EXPECT_NEAR(hot_target_contrast(255 - infrared, infrared).value(), -1, 1e-9);
  EXPECT_NEAR(hot_target_contrast(cv::Mat(120, 160, CV_64F, cv::Scalar(90)), infrared).value(), 0, 1e-9);
}

TEST(HotTargetContrast, IsOfTheHottestTwentiethAlone) {
  // Two targets: with 6 % of the pixels in both, the cooler one's lowest pixels are out.
  cv::Mat infrared(100, 100, CV_64F, cv::Scalar(20)), fused = infrared.clone();
  infrared(cv::Rect(10, 10, 15, 20)) = 220;  // 3 %
  infrared(cv::Rect(70, 70, 15, 20)) = 120;
  fused(cv::Rect(10, 10, 15, 20)) = 220;
  const double contrast = hot_target_contrast(fused, infrared).value();
  EXPECT_GT(contrast, .5);
  EXPECT_LT(contrast, 1);
}

TEST(HotTargetContrast, IsNothingWhereNothingIsHot) {
  const cv::Mat plain(80, 80, CV_64F, cv::Scalar(100));
  cv::Mat warm = plain.clone();
  warm(cv::Rect(30, 30, 8, 8)) = 110;
  EXPECT_FALSE(hot_target_contrast(plain, plain));
  EXPECT_FALSE(hot_target_contrast(warm, warm));
  EXPECT_THROW(hot_target_contrast(plain, cv::Mat(80, 81, CV_64F)), std::invalid_argument);
  EXPECT_THROW(hot_target_contrast(cv::Mat(80, 80, CV_8U), plain), std::invalid_argument);
}

cv::Mat textured(std::uint64_t seed) {
  cv::Mat picture(60, 70, CV_64F);
  cv::RNG(seed).fill(picture, cv::RNG::UNIFORM, 0, 255);
  return picture;
}

TEST(Steadiness, ComparesTheFlickerOfStillPlacesWithTheVisibleStreams) {
  const cv::Mat visible = textured(1), infrared = textured(2);
  SteadinessMeter same, twice;
  for (int n = 0; n < 4; ++n) {
    const cv::Mat v = visible + n % 2;  // within what counts as still
    same.add(v, infrared, v, v);
    twice.add(v, infrared, visible + 2 * (n % 2), visible);
  }
  EXPECT_NEAR(same.result().flicker.value(), 1, 1e-12);
  EXPECT_NEAR(twice.result().flicker.value(), 2, 1e-12);
  EXPECT_FALSE(same.result().moving_similarity);
}

TEST(Steadiness, SeesTrailsWhereTheSceneMoves) {
  const cv::Mat background = textured(3), infrared(60, 70, CV_64F, cv::Scalar(50));
  SteadinessMeter quick, slow;
  cv::Mat before;
  for (int n = 0; n < 5; ++n) {
    cv::Mat hot = infrared.clone();
    hot(cv::Rect(5 + 10 * n, 20, 10, 20)) = 250;
    const cv::Mat fused = background * .5 + hot * .5;
    const cv::Mat trailing = n ? cv::Mat(fused * .5 + before * .5) : fused;
    quick.add(background + 5 * n, hot, fused, fused);
    slow.add(background, hot, trailing, fused);
    before = fused;
  }
  EXPECT_NEAR(quick.result().moving_similarity.value(), 1, 1e-12);
  EXPECT_FALSE(quick.result().flicker);  // nothing stands still
  EXPECT_LT(slow.result().moving_similarity.value(), .9);
}

TEST(Steadiness, RefusesFramesOfAnotherSize) {
  SteadinessMeter meter;
  const cv::Mat a = textured(4);
  meter.add(a, a, a, a);
  const cv::Mat b(40, 40, CV_64F, cv::Scalar(0));
  EXPECT_THROW(meter.add(b, b, b, b), std::invalid_argument);
  EXPECT_THROW(meter.add(a, a, b, a), std::invalid_argument);
  EXPECT_EQ(cv::norm(similarity_map(a, a), cv::Mat::ones(50, 60, CV_64F), cv::NORM_INF), 0);
}

/// A smooth texture that has moved to the right by `x` pixels.
cv::Mat moved(std::uint64_t seed, double x) {
  cv::RNG random(seed);
  cv::Mat wide(96, 160, CV_64F), result;
  random.fill(wide, cv::RNG::UNIFORM, 0, 255);
  cv::GaussianBlur(wide, wide, {}, 2.5);
  cv::normalize(wide, wide, 20, 235, cv::NORM_MINMAX);
  const cv::Mat shift = (cv::Mat_<double>(2, 3) << 1, 0, x - 30, 0, 1, 0);
  cv::warpAffine(wide, result, shift, {100, 96});
  return result;
}

Motion motion_of(const std::vector<cv::Mat>& visible, const std::vector<cv::Mat>& infrared,
                 const std::vector<cv::Mat>& fused) {
  SourceMotions sources;
  MotionMeter meter;
  for (std::size_t n = 0; n < fused.size(); ++n) {
    sources.add(visible[n], infrared[n]);
    meter.add(fused[n], sources);
  }
  return meter.result();
}

std::vector<cv::Mat> path(std::uint64_t seed, const std::vector<double>& places) {
  std::vector<cv::Mat> frames;
  for (const double x : places) frames.push_back(moved(seed, x));
  return frames;
}

TEST(Motion, IsPerfectWhereTheFusedVideoMovesAsItsSources) {
  const std::vector<cv::Mat> frames = path(1, {0, 2, 4, 6, 8});
  const Motion motion = motion_of(frames, frames, frames);
  EXPECT_EQ(motion.ms2r.value(), 0);
  EXPECT_LT(motion.biswe.value(), 3);  // of 255, what interpolation and 8 bits leave
}

TEST(Motion, CountsPixelsOfJitterThatNoSourceHas) {
  // The flow is +1, -1, +1 ... pixels along x: it changes by 2 there, by 0 along y, against either source.
  const std::vector<double> places = {0, 1, 0, 1, 0, 1};
  const std::vector<cv::Mat> visible = path(2, {0, 0, 0, 0, 0, 0}), infrared = path(3, {0, 0, 0, 0, 0, 0});
  EXPECT_NEAR(motion_of(visible, infrared, path(2, places)).ms2r.value(), 1, .1);
  // A source that jitters likewise takes half of it away.
  EXPECT_NEAR(motion_of(path(2, places), infrared, path(2, places)).ms2r.value(), .5, .05);
}

TEST(Motion, CountsFlickerFromBothNeighbours) {
  const std::vector<cv::Mat> still = path(4, {0, 0, 0, 0, 0});
  std::vector<cv::Mat> fused;
  for (std::size_t n = 0; n < still.size(); ++n) fused.push_back(still[n] + 10. * static_cast<double>(n % 2));
  EXPECT_NEAR(motion_of(still, still, fused).biswe.value(), 20, 2);
}

TEST(Motion, DoesNotTrustFlowsAcrossWhatIsCoveredOrUncovered) {
  const cv::Mat background = moved(5, 0), infrared = moved(6, 0), cover = moved(7, 0);
  SourceMotions sources;
  for (const int x : {20, 36}) {
    cv::Mat visible = background.clone();
    const cv::Rect place(x, 20, 40, 50);
    cover(cv::Rect(20, 20, 40, 50)).copyTo(visible(place));
    sources.add(visible, infrared);
  }
  const auto share = [](const cv::Mat& mask, const cv::Rect& place) {
    return cv::countNonZero(mask(place)) / static_cast<double>(place.area());
  };
  const SourceMotion& motion = sources.last().value();
  const cv::Rect covered(62, 26, 12, 38), uncovered(22, 26, 12, 38), far(80, 2, 18, 90);
  EXPECT_LT(share(motion.before_valid, covered), .5);
  EXPECT_LT(share(motion.now_valid, uncovered), .5);
  EXPECT_GT(share(motion.before_valid, far), .95);
  EXPECT_GT(share(motion.now_valid, far), .95);
}

TEST(Motion, NeedsThreeFramesOfOneSize) {
  const std::vector<cv::Mat> frames = path(8, {0, 1});
  EXPECT_FALSE(motion_of(frames, frames, frames).biswe);
  EXPECT_FALSE(motion_of(frames, frames, frames).ms2r);
  SourceMotions sources;
  sources.add(frames[0], frames[0]);
  EXPECT_THROW(sources.add(textured(1), textured(1)), std::invalid_argument);
  EXPECT_THROW(sources.add(cv::Mat(40, 40, CV_8U), cv::Mat(40, 40, CV_8U)), std::invalid_argument);
}

}  // namespace
}  // namespace digfusion::metrics
