// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/scene/renderer.h"

namespace digfusion::scene {
namespace {

constexpr int small_width = 160, small_height = 120;

Plane rendered(const std::function<void(Plane&)>& render) {
  Plane plane;
  render(plane);
  return plane;
}

struct Frame {
  Plane luma, cb, cr, infrared, ideal;
  bool operator==(const Frame& other) const {
    return luma.samples == other.luma.samples && cb.samples == other.cb.samples &&
           cr.samples == other.cr.samples && infrared.samples == other.infrared.samples &&
           ideal.samples == other.ideal.samples;
  }
};

Frame frame_of(const Renderer& renderer, std::int64_t n) {
  Frame frame;
  renderer.visible(n, frame.luma, frame.cb, frame.cr);
  renderer.infrared(n, frame.infrared);
  renderer.ideal(n, frame.ideal);
  return frame;
}

double mean(const Plane& plane) {
  double sum = 0;
  for (const float sample : plane.samples) sum += sample;
  return sum / static_cast<double>(plane.samples.size());
}

/// Pearson's correlation of two planes of one size.
double correlation(const Plane& a, const Plane& b) {
  const double mean_a = mean(a), mean_b = mean(b);
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.samples.size(); ++i) {
    const double da = a.samples[i] - mean_a, db = b.samples[i] - mean_b;
    ab += da * db;
    aa += da * da;
    bb += db * db;
  }
  return ab / std::sqrt(aa * bb);
}

/// Standard deviation of the difference.
double difference(const Plane& a, const Plane& b) {
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < a.samples.size(); ++i) {
    const double d = static_cast<double>(a.samples[i]) - b.samples[i];
    sum += d;
    squares += d * d;
  }
  const auto count = static_cast<double>(a.samples.size());
  return std::sqrt(squares / count - sum / count * (sum / count));
}

/// Means over blocks of factor × factor pixels.
Plane shrunk(const Plane& plane, int factor) {
  Plane result;
  result.resize(plane.width / factor, plane.height / factor);
  for (int y = 0; y < result.height; ++y)
    for (int x = 0; x < result.width; ++x) {
      double sum = 0;
      for (int j = 0; j < factor; ++j)
        for (int i = 0; i < factor; ++i) sum += plane.at(x * factor + i, y * factor + j);
      result.row(y)[x] = static_cast<float>(sum / (factor * factor));
    }
  return result;
}

/// Samples of a box in scene coordinates (4:3 pictures).
Plane cut(const Plane& plane, Point centre, Point half) {
  const Grid grid = Grid::of_size(plane.width, plane.height);
  const auto column = [&](float u) { return static_cast<int>((u - grid.u0) / grid.step); };
  const auto row = [&](float v) { return static_cast<int>((v - grid.v0) / grid.step); };
  const int x0 = column(centre.u - half.u), y0 = row(centre.v - half.v);
  Plane result;
  result.resize(column(centre.u + half.u) - x0, row(centre.v + half.v) - y0);
  for (int y = 0; y < result.height; ++y) std::copy_n(plane.row(y0 + y) + x0, result.width, result.row(y));
  return result;
}

double deviation(const Plane& plane) {
  Plane zero = plane;
  std::fill(zero.samples.begin(), zero.samples.end(), 0.0f);
  return difference(plane, zero);
}

std::string name_of(const testing::TestParamInfo<Pattern>& info) {
  std::string name = pattern_table()[static_cast<std::size_t>(info.param)].nick;
  std::erase(name, '-');
  return name;
}

class EveryPattern : public testing::TestWithParam<Pattern> {
 protected:
  static Renderer renderer(int width = small_width, int height = small_height, std::uint64_t seed = 5) {
    return Renderer(GetParam(), seed, width, height);
  }
};
INSTANTIATE_TEST_SUITE_P(Scene, EveryPattern,
                         testing::Values(Pattern::night, Pattern::smoke, Pattern::day_glare, Pattern::still),
                         name_of);

TEST(Patterns, AreFoundByTheirNicks) {
  ASSERT_EQ(pattern_table().size(), 4u);
  for (std::size_t i = 0; i < pattern_table().size(); ++i) {
    const PatternInfo& info = pattern_table()[i];
    EXPECT_EQ(static_cast<std::size_t>(info.value), i);
    EXPECT_EQ(find_pattern(info.nick), info.value);
    EXPECT_NE(std::string(info.blurb), "");
  }
  EXPECT_EQ(find_pattern("day-glare"), Pattern::day_glare);
  EXPECT_EQ(find_pattern("Night"), std::nullopt);
  EXPECT_EQ(find_pattern(""), std::nullopt);
}

TEST_P(EveryPattern, FramesDependOnNothingButTheirNumber) {
  const Renderer first = renderer(), second = renderer();
  const std::int64_t numbers[] = {0, 1, 77, 300};
  std::vector<Frame> forwards, backwards;
  for (const std::int64_t n : numbers) forwards.push_back(frame_of(first, n));
  for (std::size_t i = std::size(numbers); i-- > 0;)
    backwards.insert(backwards.begin(), frame_of(second, numbers[i]));
  for (std::size_t i = 0; i < std::size(numbers); ++i) EXPECT_TRUE(forwards[i] == backwards[i]) << numbers[i];

  std::vector<Frame> parallel(std::size(numbers));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < std::size(numbers); ++i)
    threads.emplace_back([&, i] { parallel[i] = frame_of(first, numbers[i]); });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < std::size(numbers); ++i) EXPECT_TRUE(forwards[i] == parallel[i]) << numbers[i];
}

TEST_P(EveryPattern, AnotherSeedIsAnotherScene) {
  const Renderer one = renderer(), other = renderer(small_width, small_height, 6);
  const Plane a = rendered([&](Plane& p) { one.clean_visible(0, p); });
  const Plane b = rendered([&](Plane& p) { other.clean_visible(0, p); });
  EXPECT_GT(difference(a, b), 0.005);
}

TEST_P(EveryPattern, AnySizeShowsTheSameScene) {
  const Renderer small = renderer(), large = renderer(4 * small_width, 4 * small_height);
  using View = void (Renderer::*)(const Moment&, Plane&) const;
  const View views[] = {&Renderer::clean_visible, &Renderer::heat, &Renderer::infrared, &Renderer::ideal};
  for (std::size_t i = 0; i < std::size(views); ++i) {
    SCOPED_TRACE(i);
    const Plane a = rendered([&](Plane& p) { (small.*views[i])(45, p); });
    const Plane b = shrunk(rendered([&](Plane& p) { (large.*views[i])(45, p); }), 4);
    EXPECT_NEAR(mean(a), mean(b), 0.01);
    EXPECT_GT(correlation(a, b), 0.97);
    EXPECT_LT(difference(a, b), 0.035);
  }
  const Plane a = rendered([&](Plane& p) { small.transmission(45, p); });
  const Plane b = shrunk(rendered([&](Plane& p) { large.transmission(45, p); }), 4);
  EXPECT_LT(difference(a, b), 0.005);
}

TEST_P(EveryPattern, WidePicturesShowMoreAtTheSides) {
  const Renderer narrow = renderer(160, 120), wide = renderer(240, 120);
  const Plane a = rendered([&](Plane& p) { narrow.clean_visible(45, p); });
  const Plane b = rendered([&](Plane& p) { wide.clean_visible(45, p); });
  for (int y = 0; y < 120; ++y)
    for (int x = 0; x < 160; ++x) ASSERT_NEAR(a.at(x, y), b.at(x + 40, y), 2e-3) << x << "," << y;
}

TEST_P(EveryPattern, IdealIsTheCleanPicturePlusItsHeat) {
  const Renderer scene = renderer(320, 240);
  for (const std::int64_t n : {0, 100}) {
    const Plane ideal = rendered([&](Plane& p) { scene.ideal(n, p); });
    const Plane clean = rendered([&](Plane& p) { scene.clean_visible(n, p); });
    const Plane heat = rendered([&](Plane& p) { scene.heat(n, p); });
    double worst = 0;
    for (std::size_t i = 0; i < ideal.samples.size(); ++i) {
      const double v = clean.samples[i], h = heat.samples[i];
      worst = std::max(worst, std::abs(ideal.samples[i] - (v + 0.6 * h * (1 - v))));
    }
    EXPECT_LT(worst, 1e-6);
  }
}

TEST_P(EveryPattern, SamplesStayInTheirRange) {
  for (const auto& [width, height] : {std::pair{16, 16}, {17, 33}, {321, 241}, {400, 16}, {16, 400}}) {
    SCOPED_TRACE(testing::Message() << width << "x" << height);
    const Renderer scene = renderer(width, height);
    for (const std::int64_t n : {std::int64_t{0}, std::int64_t{100}, std::int64_t{1} << 40}) {
      const Frame frame = frame_of(scene, n);
      for (const Plane* plane : {&frame.luma, &frame.infrared, &frame.ideal}) {
        ASSERT_EQ(plane->width, width);
        ASSERT_EQ(plane->height, height);
        for (const float sample : plane->samples) ASSERT_TRUE(sample >= 0 && sample <= 1) << sample;
      }
      for (const Plane* plane : {&frame.cb, &frame.cr}) {
        ASSERT_EQ(plane->width, (width + 1) / 2);
        ASSERT_EQ(plane->height, (height + 1) / 2);
        for (const float sample : plane->samples) ASSERT_LE(std::abs(sample), 0.5f);
      }
      for (const auto& view : {&Renderer::heat, &Renderer::transmission, &Renderer::clean_visible})
        for (const float sample : rendered([&](Plane& p) { (scene.*view)(n, p); }).samples)
          ASSERT_TRUE(sample >= 0 && sample <= 1) << sample;
    }
  }
}

TEST_P(EveryPattern, LumaIsTheSameWithAndWithoutChroma) {
  const Renderer scene = renderer();
  Plane alone, luma, cb, cr;
  scene.visible(9, alone);
  scene.visible(9, luma, cb, cr);
  EXPECT_EQ(alone.samples, luma.samples);
  EXPECT_GT(deviation(cb) + deviation(cr), 0.01);
}

TEST_P(EveryPattern, MovesUnlessItIsStill) {
  const Renderer scene = renderer(320, 240);
  const bool still = GetParam() == Pattern::still;
  for (const auto& view : {&Renderer::clean_visible, &Renderer::heat, &Renderer::ideal}) {
    const Plane a = rendered([&](Plane& p) { (scene.*view)(10, p); });
    const Plane b = rendered([&](Plane& p) { (scene.*view)(11, p); });
    const Plane c = rendered([&](Plane& p) { (scene.*view)(40, p); });
    if (still) {
      EXPECT_EQ(a.samples, b.samples);
      EXPECT_EQ(a.samples, c.samples);
    } else {
      EXPECT_GT(difference(a, b), 0.002);
      EXPECT_GT(difference(a, c), 0.01);
    }
  }
  const Plane visible = rendered([&](Plane& p) { scene.visible(10, p); });
  const Plane later = rendered([&](Plane& p) { scene.visible(11, p); });
  EXPECT_GT(difference(visible, later), 0.004);  // the sensor's noise at least
  if (still) {
    EXPECT_LT(difference(visible, later), 0.04);
    EXPECT_NEAR(mean(visible), mean(later), 0.001);
    const Plane infrared = rendered([&](Plane& p) { scene.infrared(10, p); });
    const Plane again = rendered([&](Plane& p) { scene.infrared(11, p); });
    EXPECT_GT(difference(infrared, again), 0.002);
    EXPECT_LT(difference(infrared, again), 0.02);
  }
}

TEST_P(EveryPattern, PeopleAreHotInTheInfraredPicture) {
  const Renderer scene = renderer(640, 480);
  const Plane infrared = rendered([&](Plane& p) { scene.infrared(60, p); });
  const Plane heat = rendered([&](Plane& p) { scene.heat(60, p); });
  double skin = 0, cold = 0;
  int skins = 0, colds = 0;
  for (std::size_t i = 0; i < heat.samples.size(); ++i) {
    if (heat.samples[i] > 0.8f) skin += infrared.samples[i], ++skins;
    if (heat.samples[i] < 0.01f) cold += infrared.samples[i], ++colds;
  }
  ASSERT_GT(skins, 200);
  ASSERT_GT(colds, 200000);
  EXPECT_GT(skin / skins, 0.7);
  EXPECT_LT(cold / colds, 0.5);
  // The clear sky is the coldest.
  EXPECT_LT(mean(cut(infrared, {0.18f, 0.04f}, {0.1f, 0.03f})), 0.15);
}

TEST_P(EveryPattern, InfraredHasNoTextButMoreThanEightBits) {
  const Renderer scene = renderer(640, 480);
  const Plane clean = rendered([&](Plane& p) { scene.clean_visible(0, p); });
  const Plane infrared = rendered([&](Plane& p) { scene.infrared(0, p); });
  const Point name_board = {-0.205f, 0.381f}, half = {0.185f, 0.022f};
  EXPECT_GT(deviation(cut(clean, name_board, half)), 0.08);
  EXPECT_LT(deviation(cut(infrared, name_board, half)), 0.02);
  std::set<int> levels;
  for (const float sample : infrared.samples) levels.insert(static_cast<int>(std::lround(sample * 65535)));
  EXPECT_GT(levels.size(), 10000u);
}

TEST(Smoke, HidesPeopleFromTheVisibleCameraOnly) {
  const Renderer scene(Pattern::smoke, 5, 640, 480);
  // Means over people and over what surrounds them, where the smoke is thick.
  double person[3] = {}, around[3] = {};
  int people = 0, surroundings = 0;
  for (std::int64_t n = 0; n < 300; n += 60) {
    const Plane heat = rendered([&](Plane& p) { scene.heat(n, p); });
    const Plane share = rendered([&](Plane& p) { scene.transmission(n, p); });
    const Plane views[] = {rendered([&](Plane& p) { scene.clean_visible(n, p); }),
                           rendered([&](Plane& p) { scene.visible(n, p); }),
                           rendered([&](Plane& p) { scene.infrared(n, p); })};
    for (int y = 0; y < 480; ++y)
      for (int x = 12; x < 628; ++x) {
        if (share.at(x, y) > 0.06f) continue;
        const bool inside = heat.at(x, y) > 0.4f;
        const bool beside = heat.at(x, y) < 0.02f && (heat.at(x - 12, y) > 0.4f || heat.at(x + 12, y) > 0.4f);
        if (!inside && !beside) continue;
        for (int i = 0; i < 3; ++i) (inside ? person : around)[i] += views[i].at(x, y);
        ++(inside ? people : surroundings);
      }
  }
  ASSERT_GT(people, 2000);
  ASSERT_GT(surroundings, 2000);
  const auto contrast = [&](int i) { return std::abs(person[i] / people - around[i] / surroundings); };
  EXPECT_GT(contrast(0), 0.08);                // without smoke they stand out
  EXPECT_LT(contrast(1), 0.25 * contrast(0));  // behind it they don't
  EXPECT_GT(contrast(2), 0.2);                 // the infrared camera sees them
}

TEST(Smoke, DriftsAndLeavesPartsOfTheSceneClear) {
  const Renderer scene(Pattern::smoke, 5, 320, 240);
  const Plane a = rendered([&](Plane& p) { scene.transmission(0, p); });
  const Plane b = rendered([&](Plane& p) { scene.transmission(30, p); });
  EXPECT_GT(difference(a, b), 0.03);
  int thick = 0, clear = 0;
  for (const float sample : a.samples) {
    thick += sample < 0.1f;
    clear += sample > 0.9f;
  }
  EXPECT_GT(thick, 320 * 240 / 20);
  EXPECT_GT(clear, 320 * 240 / 5);
}

TEST(Night, HidesPeopleInDarkClothes) {
  const Renderer scene(Pattern::night, 5, 640, 480);
  const Plane clean = rendered([&](Plane& p) { scene.clean_visible(0, p); });
  const Plane heat = rendered([&](Plane& p) { scene.heat(0, p); });
  double sum = 0;
  int count = 0;
  for (std::size_t i = 0; i < heat.samples.size(); ++i)
    if (heat.samples[i] > 0.4f && heat.samples[i] < 0.7f) sum += clean.samples[i], ++count;
  ASSERT_GT(count, 1000);
  EXPECT_LT(sum / count, 0.1);
}

TEST(DayGlare, WashesOutThePictureAroundTheSun) {
  const Renderer scene(Pattern::day_glare, 5, 640, 480);
  const Plane clean = rendered([&](Plane& p) { scene.clean_visible(0, p); });
  const Plane visible = rendered([&](Plane& p) { scene.visible(0, p); });
  const Point sun = {0.165f, 0.285f}, half = {0.03f, 0.03f};
  EXPECT_GT(mean(cut(visible, sun, half)), 0.9);
  const Point beside = {0.21f, 0.55f}, wide = {0.1f, 0.1f};
  EXPECT_GT(mean(cut(visible, beside, wide)), mean(cut(clean, beside, wide)) + 0.1);
  EXPECT_LT(deviation(cut(visible, beside, wide)), 0.8 * deviation(cut(clean, beside, wide)));
}

TEST(Renderer, RefusesSizesThatItCannotRender) {
  EXPECT_THROW(Renderer(Pattern::night, 0, 15, 100), std::invalid_argument);
  EXPECT_THROW(Renderer(Pattern::night, 0, 100, 4097), std::invalid_argument);
  EXPECT_THROW(Renderer(Pattern::night, 0, 0, -3), std::invalid_argument);
  EXPECT_THROW(Renderer::shared(Pattern::night, 0, 1, 1), std::invalid_argument);
}

TEST(Renderer, IsSharedByThoseWhoWantTheSame) {
  const auto one = Renderer::shared(Pattern::night, 1, 32, 32);
  EXPECT_EQ(one, Renderer::shared(Pattern::night, 1, 32, 32));
  EXPECT_NE(one, Renderer::shared(Pattern::night, 2, 32, 32));
  EXPECT_NE(one, Renderer::shared(Pattern::smoke, 1, 32, 32));
  EXPECT_NE(one, Renderer::shared(Pattern::night, 1, 32, 33));
}

}  // namespace
}  // namespace digfusion::scene
