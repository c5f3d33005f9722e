// SPDX-License-Identifier: LGPL-2.1-or-later
//
// On generated scenes whose infrared camera looks a known way elsewhere.
#include "core/image/refinement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <random>

#include "core/scene/faults.h"
#include "core/scene/renderer.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

constexpr int width = 640, height = 480;
const cv::Size size(width, height);

at::Tensor as_tensor(const scene::Plane& plane) {
  return at::tensor(at::ArrayRef<float>(plane.samples)).view({1, 1, plane.height, plane.width}) * 2 - 1;
}

/// As docs/cameras.md has it: what the visible camera sees at p is at R(p - c) + c + offset.
cv::Matx33d truth_of(const scene::Faults& f) {
  const double c = std::cos(f.rotation * CV_PI / 180), s = std::sin(f.rotation * CV_PI / 180),
               x = (width - 1) / 2., y = (height - 1) / 2.;
  return {c, -s, x + f.offset_x - c * x + s * y, s, c, y + f.offset_y - s * x - c * y, 0, 0, 1};
}

/// Two cameras and the refiner that watches them.
class Watched {
 public:
  Watched(scene::Pattern pattern, unsigned seed, const scene::Faults& faults)
      : visible(pattern, seed, width, height), pattern_(pattern), seed_(seed) {
    turn_to(faults);
  }

  /// Somebody pushes the infrared camera.
  void turn_to(const scene::Faults& faults) {
    truth = truth_of(faults);
    infrared.emplace(pattern_, seed_, width, height, faults);
  }

  /// So many pictures; pictures that nobody reads aren't rendered.
  void watch(Refiner& refiner, int pictures) {
    for (int i = 0; i < pictures; ++i, ++now) {
      if (refiner.wants_next() || !seen.defined()) {
        scene::Plane plane;
        visible.visible(now, plane);
        seen = as_tensor(plane);
        infrared->picture(now, now, plane);
        placed.picture = as_tensor(plane);
        if (black_hot) placed.picture = -placed.picture;
        if (featureless) placed.picture = random_tensor({1, 1, height, width}, unsigned(now)) * 0.05;
      }
      const cv::Matx33d before = refiner.to_infrared();
      const std::clock_t begin = std::clock();
      refiner.look(placed, seen);
      seconds += double(std::clock() - begin) / CLOCKS_PER_SEC;
      largest_step = std::max(largest_step, largest_corner_distance(before, refiner.to_infrared(), size));
      most_moved =
          std::max(most_moved, mean_corner_distance(cv::Matx33d::eye(), refiner.to_infrared(), size));
    }
  }

  double error(const Refiner& refiner) const {
    return mean_corner_distance(refiner.to_infrared(), truth, size);
  }

  cv::Matx33d truth;
  bool black_hot = false, featureless = false;
  double largest_step = 0, most_moved = 0, seconds = 0;
  int now = 0;
  Placed placed;
  at::Tensor seen;
  scene::Renderer visible;
  std::optional<scene::FaultyCamera> infrared;

 private:
  scene::Pattern pattern_;
  unsigned seed_;
};

FrameReport report_of(const Refiner& refiner) {
  FrameReport report;
  refiner.report(report);
  return report;
}

scene::Faults looking_elsewhere(unsigned seed) {
  std::mt19937 random(seed * 7919 + 3);
  const auto within = [&](double most) {
    return std::uniform_real_distribution<double>(-most, most)(random);
  };
  scene::Faults faults;
  faults.offset_x = within(12);
  faults.offset_y = within(12);
  faults.rotation = within(2);
  return faults;
}

constexpr double wide_limit = 40;
constexpr int five_seconds = 125;

TEST(Refinement, BringsTheInfraredPictureToItsPlace) {
  for (const auto& pattern : scene::pattern_table()) {
    SCOPED_TRACE(pattern.nick);
    Watched watched(pattern.value, 1, looking_elsewhere(1));
    Refiner refiner(Refinement::affine, wide_limit);
    watched.watch(refiner, five_seconds);
    EXPECT_LT(watched.error(refiner), 0.5);
    EXPECT_LT(watched.largest_step, 1);
    EXPECT_GT(report_of(refiner).confidence, 0.5);
    EXPECT_FALSE(report_of(refiner).camera_moved);
  }
}

TEST(Refinement, WorksWithNoiseColumnsAndBlackHot) {
  scene::Faults faults = looking_elsewhere(2);
  faults.noise = 8;
  faults.column_noise = 4;
  Watched watched(scene::Pattern::smoke, 2, faults);
  watched.black_hot = true;
  Refiner refiner(Refinement::affine, wide_limit);
  watched.watch(refiner, five_seconds);
  EXPECT_LT(watched.error(refiner), 0.5);
}

TEST(Refinement, LeavesRegisteredPicturesAlone) {
  Watched watched(scene::Pattern::smoke, 3, {});
  Refiner refiner(Refinement::affine, wide_limit);
  watched.watch(refiner, five_seconds);
  EXPECT_LT(watched.most_moved, 0.3);
  const FrameReport report = report_of(refiner);
  EXPECT_GT(report.confidence, 0.5);
  EXPECT_NEAR(report.refined_x, 0, 0.3);
}

TEST(Refinement, IsNotConfidentOfAPictureWithoutEdges) {
  Watched watched(scene::Pattern::night, 1, looking_elsewhere(1));
  watched.featureless = true;
  Refiner refiner(Refinement::affine, wide_limit);
  watched.watch(refiner, five_seconds);
  EXPECT_LT(report_of(refiner).confidence, 0.2);
  EXPECT_EQ(watched.most_moved, 0);
  EXPECT_FALSE(report_of(refiner).camera_moved);
}

TEST(Refinement, ShiftsOnlyWhereToldTo) {
  scene::Faults faults;
  faults.offset_x = 7;
  faults.offset_y = -5;
  Watched watched(scene::Pattern::still, 2, faults);
  Refiner refiner(Refinement::translation, 16);
  watched.watch(refiner, five_seconds);
  EXPECT_LT(watched.error(refiner), 0.5);
  const FrameReport report = report_of(refiner);
  EXPECT_NEAR(report.refined_x, -7, 0.5);
  EXPECT_NEAR(report.refined_y, 5, 0.5);
  EXPECT_EQ(report.refined_degrees, 0);
}

TEST(Refinement, TellsOfACameraThatHasMovedBeyondTheLimit) {
  scene::Faults faults;
  faults.offset_x = 14;
  Watched watched(scene::Pattern::still, 4, faults);
  Refiner refiner(Refinement::affine, 8);
  watched.watch(refiner, five_seconds);
  const FrameReport report = report_of(refiner);
  EXPECT_TRUE(report.camera_moved);
  EXPECT_NEAR(report.refined_x, -14, 1);
  EXPECT_EQ(watched.most_moved, 0);
}

TEST(Refinement, FollowsACameraThatIsPushed) {
  Watched watched(scene::Pattern::smoke, 1, {});
  Refiner refiner(Refinement::affine, wide_limit);
  watched.watch(refiner, 60);
  watched.turn_to(looking_elsewhere(5));
  watched.watch(refiner, 600);
  EXPECT_LT(watched.error(refiner), 0.5);
}

TEST(Refinement, FindsAPictureThatCoversAPart) {
  Watched watched(scene::Pattern::still, 2, looking_elsewhere(1));
  // Bars at both sides, in which the visible picture would say that nothing has moved.
  watched.placed.share = at::zeros({1, 1, height, width});
  watched.placed.share.narrow(3, 80, 480).fill_(1);
  Refiner refiner(Refinement::affine, wide_limit);
  watched.watch(refiner, five_seconds);
  EXPECT_LT(watched.error(refiner), 0.7);
  const Placed moved = refiner.apply(watched.placed);
  for (const int column : {2, 637}) EXPECT_EQ(moved.share.select(3, column).max().item<double>(), 0);
  EXPECT_GT(moved.share.narrow(3, 120, 400).narrow(2, 60, 360).min().item<double>(), 0.999);
}

TEST(Refinement, ShowsTheVisiblePictureWhereInfraredHasBeenMovedAway) {
  scene::Faults faults;
  faults.offset_x = 10;
  Watched watched(scene::Pattern::still, 2, faults);
  Refiner refiner(Refinement::translation, 16);
  EXPECT_TRUE(refiner.apply({watched.seen, {}}).picture.is_same(watched.seen));
  watched.watch(refiner, five_seconds);
  const at::Tensor infrared = at::full({1, 1, height, width}, 0.5), visible = at::full_like(infrared, -0.5);
  const at::Tensor result = refiner.apply({infrared, {}}).over(visible);
  // What is at x = 10 of the infrared picture is shown at 0, so its right border is at 629.
  EXPECT_EQ(result[0][0][200][0].item<float>(), 0.5f);
  EXPECT_EQ(result[0][0][200][300].item<float>(), 0.5f);
  EXPECT_EQ(result[0][0][200][635].item<float>(), -0.5f);
  const double faded = result[0][0][200][622].item<double>();
  EXPECT_GT(faded, -0.5);
  EXPECT_LT(faded, 0.5);
}

TEST(Refinement, TakesPicturesOfAnySizeAndWithoutEdges) {
  for (const auto& [w, h] : {std::pair(16, 16), std::pair(48, 32), std::pair(33, 700)}) {
    Refiner refiner(Refinement::affine, 64);
    const at::Tensor flat = at::zeros({1, 1, h, w}), noise = random_tensor({1, 1, h, w}, 1);
    for (int i = 0; i < 60; ++i) refiner.look({noise, {}}, i % 2 ? flat : noise);
    for (int i = 0; i < 60; ++i) refiner.look({flat, {}}, flat);
    FrameReport report = report_of(refiner);
    EXPECT_TRUE(std::isfinite(report.refined_x) && std::isfinite(report.confidence));
  }
}

TEST(Refiners, ForgetWhereThePlaceThatIsRefinedIsAnother) {
  Parameters parameters;
  parameters.registration_refine = Refinement::translation;
  const at::Tensor picture = random_pictures(1, 32, 48, 1);
  Refiners refiners;
  refiners.configure(parameters);
  const auto knows = [&] {
    FrameReport report;
    refiners.report(1, report);
    return !std::isnan(report.refined_x);
  };
  EXPECT_FALSE(knows());
  refiners.look(1, {picture, {}}, picture);
  EXPECT_TRUE(knows());
  parameters.sharpness = 2;
  refiners.configure(parameters);
  EXPECT_TRUE(knows());
  parameters.registration = Path("1,0,3,0,1,0");
  refiners.configure(parameters);
  EXPECT_FALSE(knows());
  parameters.registration_refine = Refinement::off;
  refiners.configure(parameters);
  refiners.look(1, {picture, {}}, picture);
  EXPECT_FALSE(knows());
}

TEST(Refiners, TellOfTheirSourceAlone) {
  scene::Faults pushed;
  pushed.offset_x = 14;
  Watched registered(scene::Pattern::still, 4, {}), moved(scene::Pattern::still, 4, pushed);
  Parameters parameters;
  parameters.registration_refine = Refinement::affine;
  parameters.registration_limit = 8;
  Refiners refiners;
  refiners.configure(parameters);
  Refiner nobody(Refinement::affine, 8);
  for (Watched* watched : {&registered, &moved}) watched->watch(nobody, 1);  // renders their pictures
  for (int i = 0; i < five_seconds; ++i) {
    refiners.look(1, registered.placed, registered.seen);
    refiners.look(2, moved.placed, moved.seen);
  }
  FrameReport first, second;
  refiners.report(1, first);
  refiners.report(2, second);
  EXPECT_FALSE(first.camera_moved);
  EXPECT_NEAR(first.refined_x, 0, 0.3);
  EXPECT_TRUE(second.camera_moved);
  EXPECT_NEAR(second.refined_x, -14, 1);
}

// The table of docs/cameras.md: --gtest_also_run_disabled_tests --gtest_filter='*ManyScenes'
TEST(Refinement, DISABLED_PrintsWhatItFindsOfManyScenes) {
  struct Kind {
    const char* name;
    bool apart, noisy, black_hot;
  };
  for (const Kind kind : {Kind{"apart", true, false, false}, Kind{"noise", true, true, false},
                          Kind{"black-hot", true, true, true}, Kind{"registered", false, false, false}})
    for (const auto& pattern : scene::pattern_table())
      for (unsigned seed = 1; seed <= 4; ++seed) {
        scene::Faults faults = kind.apart ? looking_elsewhere(seed) : scene::Faults{};
        if (kind.noisy) faults.noise = 8, faults.column_noise = 4;
        Watched watched(pattern.value, seed, faults);
        watched.black_hot = kind.black_hot;
        Refiner refiner(Refinement::affine, wide_limit);
        watched.watch(refiner, five_seconds);
        const double first = watched.error(refiner);
        watched.watch(refiner, 25);
        std::printf("%s,%s,%u,before %.1f,after 125 %.2f,after 150 %.2f,most %.2f,confidence %.2f,%.2f ms\n",
                    kind.name, pattern.nick, seed,
                    mean_corner_distance(watched.truth, cv::Matx33d::eye(), size), first,
                    watched.error(refiner), watched.most_moved, report_of(refiner).confidence,
                    watched.seconds / 150 * 1e3);
        std::fflush(stdout);
      }
}

}  // namespace
}  // namespace digfusion
