// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whole frames through the kernels' CPU twins, against the Fuser that they must equal.
#include "core/fusion/gradient_frame.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/denoiser/registry.h"
#include "core/fusion/fuser.h"
#include "core/fusion/method.h"
#include "core/image/luma.h"
#include "core/interface/error.h"
#include "tests/core/device/frame_parameters.h"
#include "tests/core/image/test_image.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

GradientFrame frame_of(const Parameters& p, bool graphs = true) {
  return GradientFrame(
      make_cpu_backend(),
      p.evidence == EvidenceSource::student ? open_gradient_student("", at::kCPU, at::kFloat) : nullptr,
      graphs);
}

/// Puts a luma [1,1,H,W] on -1..1 into a test image; R, G and B alike.
void put(const at::Tensor& luma, TestImage& image) {
  const std::vector<double> values = numbers(luma);
  const int width = image.image.width;
  for (int y = 0; y < image.image.height; ++y)
    for (int x = 0; x < width; ++x) {
      const double value = (values[std::size_t(y * width + x)] + 1) / 2;
      const int sample = int(std::lround(image.black() + value * (image.white() - image.black())));
      for (int c = 0; c < (image.image.is_rgb ? 3 : 1); ++c) image.set(c, x, y, sample);
    }
}

/// A scene that pans, with a target that moves through it, and from `cut` on another one; noise of σ `noise`.
at::Tensor scene(int n, int view, int height, int width, int cut, double noise) {
  const int shift = n >= 6 && n < cut ? n - 5 : 0;
  at::Tensor picture =
      random_pictures(1, height, width + 32, std::uint64_t(10 + 2 * view + (n >= cut ? 100 : 0)))
          .narrow(3, shift, width)
          .mul(0.6)
          .clone();
  picture.narrow(2, height / 3, 10).narrow(3, (3 * n) % (width - 12), 9).fill_(view == 0 ? -0.2 : 0.9);
  return (picture + random_tensor({1, 1, height, width}, std::uint64_t(1000 * n + view)) * (noise / 127.5))
      .clamp(-1, 1);
}

struct Case {
  EvidenceSource evidence;
  int width, height, sources;
  const char* visible;
  const char* infrared;
  const char* noise;
  double grain;  ///< σ of the scene's noise, of 255
};

class EveryGradientFrame : public testing::TestWithParam<Case> {};

TEST_P(EveryGradientFrame, IsTheFusers) {
  const Case c = GetParam();
  Parameters p = parameters_of(c.evidence);
  p.noise = Word(c.noise);
  Fuser fuser(p, [](const std::string&) {});
  GradientFrame frame = frame_of(p);
  TestImage visible(layout_named(c.visible), c.width, c.height),
      output(layout_named(c.visible), c.width, c.height);
  std::vector<std::unique_ptr<TestImage>> infrared;
  for (int k = 1; k < c.sources; ++k)
    infrared.push_back(std::make_unique<TestImage>(layout_named(c.infrared), c.width, c.height));
  visible.fill(3);
  for (int n = 0; n < 12; ++n) {
    put(scene(n, 0, c.height, c.width, 9, c.grain), visible);
    std::vector<Image> images = {visible.image};
    std::vector<at::Tensor> lumas = {read_luma(visible.image)};
    for (int k = 1; k < c.sources; ++k) {
      put(scene(n, k, c.height, c.width, 9, c.grain), *infrared[std::size_t(k - 1)]);
      images.push_back(infrared[std::size_t(k - 1)]->image);
      lumas.push_back(read_luma(images.back()));
    }
    const at::Tensor expected = fuser.fuse(at::cat(lumas));
    frame.fuse(images, {}, {}, output.image, p);
    const at::Tensor found = frame.fused().clamp(-1, 1);
    EXPECT_NEAR(frame.infrared_share().value_or(-1), fuser.weight_means().at(0), 1e-4) << "frame " << n;
    // A pixel at the edge of what moves may be told otherwise by a last digit.
    const at::Tensor difference = (found - expected).abs() * 127.5;
    ASSERT_LT(difference.square().mean().sqrt().item<double>(), 0.02) << "frame " << n;
    ASSERT_LT(difference.max().item<double>(), 1) << "frame " << n;
    TestImage by_loops(layout_named(c.visible), c.width, c.height);
    write_fused(visible.image, found, by_loops.image);
    ASSERT_EQ(output.bytes(), by_loops.bytes()) << "frame " << n;
    ASSERT_TRUE(output.is_intact_around_rows());
  }
  EXPECT_EQ(frame.counts().frames, 12u);
  EXPECT_GE(frame.counts().replayed, 5u);
}

INSTANTIATE_TEST_SUITE_P(
    GradientFrame, EveryGradientFrame,
    testing::Values(Case{EvidenceSource::gradient, 96, 64, 2, "I420", "GRAY8", "auto", 0},
                    Case{EvidenceSource::gradient, 61, 47, 3, "RGBA", "GRAY8", "auto", 0},
                    Case{EvidenceSource::student, 160, 128, 2, "NV12", "GRAY8", "auto", 0},
                    Case{EvidenceSource::student, 131, 90, 2, "P010_10LE", "GRAY16_LE", "auto", 0},
                    Case{EvidenceSource::student, 128, 96, 2, "YUY2", "I420", "10,5+4", 10},
                    Case{EvidenceSource::student, 320, 240, 2, "BGRx", "GRAY8", "0,12", 0},
                    Case{EvidenceSource::student, 320, 256, 2, "I420", "GRAY8", "auto", 18}));

TEST(GradientFrame, KeepsItsPastOverOtherViewsAndOtherNetworks) {
  constexpr int width = 160, height = 128;
  Parameters p = parameters_of(EvidenceSource::student);
  Fuser fuser(p, [](const std::string&) {});
  std::unique_ptr<GradientFrame> frame(new GradientFrame(frame_of(p)));
  TestImage visible(layout_named("NV12"), width, height), infrared(layout_named("GRAY8"), width, height);
  visible.fill(3);
  for (int n = 0; n < 14; ++n) {
    put(scene(n % 6, 0, height, width, 99, 1), visible);
    put(scene(n % 6, 1, height, width, 99, 1), infrared);
    p.mode = n == 3 || n == 4 ? View::side_by_side : View::fused;  // another layout of the output
    p.compare = Compare::visible_fused;
    Parameters next = p;
    if (n >= 6) next.evidence = EvidenceSource::gradient;
    if (n >= 9) next.evidence = EvidenceSource::student;
    if (n >= 11) next.student_size = StudentSize::medium;
    if (n == 6 || n == 9 || n == 11) {
      fuser.configure(next);
      auto other = std::make_unique<GradientFrame>(
          make_cpu_backend(), n == 6 ? nullptr : gradient_student_of(next, at::kCPU, at::kFloat));
      other->inherit(*frame);
      frame = std::move(other);
    }
    const at::Tensor expected = fuser.fuse(at::cat({read_luma(visible.image), read_luma(infrared.image)}));
    TestImage output(layout_named("NV12"), width * (p.mode == View::fused ? 1 : 2), height);
    frame->fuse(std::array{visible.image, infrared.image}, {}, {}, output.image, next);
    const at::Tensor difference = (frame->fused().clamp(-1, 1) - expected).abs() * 127.5;
    ASSERT_LT(difference.square().mean().sqrt().item<double>(), 0.02) << "frame " << n;
  }
}

TEST(GradientFrame, LayoutsOfTheSamePlanesAreNotMixedUp) {
  Parameters p = parameters_of(EvidenceSource::gradient);
  GradientFrame frame = frame_of(p);
  TestImage infrared(layout_named("GRAY8"), 64, 48);
  infrared.fill(2);
  const auto fused = [&](GradientFrame& by, const char* layout) {
    TestImage visible(layout_named(layout), 64, 48), output(layout_named(layout), 64, 48);
    visible.fill(1);
    by.reset();
    by.fuse(std::array{visible.image, infrared.image}, {}, {}, output.image, p);
    return output.bytes();
  };
  for (const View mode : {View::fused, View::split}) {
    p.mode = mode;
    for (const char* layout : {"GRAY16_LE", "YUY2", "UYVY", "RGBx", "RGBA", "xRGB", "GRAY16_LE"}) {
      GradientFrame alone = frame_of(p);
      EXPECT_TRUE(fused(frame, layout) == fused(alone, layout)) << layout;
    }
  }
}

TEST(GradientFrame, AllocatesNothingAndWaitsOnceAFrame) {
  const Parameters p = parameters_of(EvidenceSource::student);
  GradientFrame frame = frame_of(p);
  TestImage visible(layout_named("NV12"), 64, 48), infrared(layout_named("GRAY8"), 64, 48),
      output(layout_named("NV12"), 64, 48);
  DeviceCounts before;
  for (int n = 0; n < 60; ++n) {
    put(scene(n % 4, 0, 48, 64, 9, 0), visible);
    put(scene(n % 4, 1, 48, 64, 9, 0), infrared);
    if (n == 10) before = frame.backend().counts();
    frame.fuse(std::array{visible.image, infrared.image}, {}, {}, output.image, p);
  }
  EXPECT_EQ(frame.backend().counts().allocations, before.allocations);
  EXPECT_EQ(frame.backend().counts().waits, before.waits + 50);
}

TEST(GradientFrame, IsTheSameWithGraphsAndWithout) {
  const Parameters p = parameters_of(EvidenceSource::student);
  GradientFrame recorded = frame_of(p), direct = frame_of(p, false);
  TestImage visible(layout_named("I420"), 80, 64), infrared(layout_named("GRAY8"), 80, 64),
      first(layout_named("I420"), 80, 64), second(layout_named("I420"), 80, 64);
  visible.fill(1);
  for (int n = 0; n < 8; ++n) {
    put(scene(n, 0, 64, 80, 5, 0), visible);
    put(scene(n, 1, 64, 80, 5, 0), infrared);
    recorded.fuse(std::array{visible.image, infrared.image}, {}, {}, first.image, p);
    direct.fuse(std::array{visible.image, infrared.image}, {}, {}, second.image, p);
    ASSERT_EQ(first.bytes(), second.bytes());
  }
  EXPECT_GT(recorded.counts().replayed, 0u);
  EXPECT_EQ(direct.counts().replayed, 0u);
}

TEST(GradientFrame, KeepsAFewSizesAndStartsAnewInEach) {
  const Parameters p = parameters_of(EvidenceSource::gradient);
  GradientFrame frame = frame_of(p);
  const auto fuse = [&](int width, int height) {
    TestImage visible(layout_named("I420"), width, height), infrared(layout_named("GRAY8"), width, height),
        output(layout_named("I420"), width, height);
    visible.fill(1);
    infrared.fill(2);
    frame.fuse(std::array{visible.image, infrared.image}, {}, {}, output.image, p);
    return output.bytes();
  };
  const auto alone = fuse(48, 32);
  for (const int width : {64, 80}) fuse(width, 32);
  EXPECT_EQ(frame.counts().plans, 3u);
  EXPECT_EQ(fuse(48, 32), alone);
  EXPECT_EQ(frame.counts().plans, 3u);
  fuse(96, 32);                    // drops 64×32
  EXPECT_EQ(fuse(48, 32), alone);  // kept
  EXPECT_EQ(frame.counts().plans, 4u);
  fuse(64, 32);
  EXPECT_EQ(frame.counts().plans, 5u);
}

TEST(GradientFrame, ReadsPicturesThatAreReadyAndNegativeOnes) {
  const Parameters p = parameters_of(EvidenceSource::gradient);
  GradientFrame one = frame_of(p), other = frame_of(p), third = frame_of(p);
  TestImage visible(layout_named("I420"), 48, 32), infrared(layout_named("GRAY8"), 48, 32),
      first(layout_named("I420"), 48, 32), second(layout_named("I420"), 48, 32),
      last(layout_named("I420"), 48, 32);
  visible.fill(1);
  infrared.fill(2);
  one.fuse(std::array{visible.image, infrared.image}, {}, {}, first.image, p);
  other.fuse(std::array{visible.image, infrared.image}, std::array{at::Tensor(), read_luma(infrared.image)},
             {}, second.image, p);
  EXPECT_EQ(first.bytes(), second.bytes());
  third.fuse(std::array{visible.image, infrared.image}, {}, std::array{false, true}, last.image, p);
  other.fuse(std::array{visible.image, infrared.image},
             std::array{at::Tensor(), read_luma(infrared.image).neg()}, {}, second.image, p);
  EXPECT_NE(first.bytes(), last.bytes());
  EXPECT_TRUE(at::equal(third.stages()[0].second, other.stages()[0].second));
}

TEST(GradientFrame, RefusesWhatIsNotFiniteAndKeepsItsPast) {
  const Parameters p = parameters_of(EvidenceSource::gradient);
  GradientFrame frame = frame_of(p), untroubled = frame_of(p);
  TestImage visible(layout_named("I420"), 48, 32), infrared(layout_named("GRAY8"), 48, 32),
      output(layout_named("I420"), 48, 32), expected(layout_named("I420"), 48, 32);
  visible.fill(1);
  infrared.fill(2);
  const std::array images{visible.image, infrared.image};
  at::Tensor holes = read_luma(infrared.image);
  const std::array good{at::Tensor(), holes.clone()};
  holes.index_put_({0, 0, 3, 3}, NAN);
  const std::array bad{at::Tensor(), holes};
  for (int n = 0; n < 5; ++n) {
    frame.fuse(images, good, {}, output.image, p);
    untroubled.fuse(images, good, {}, expected.image, p);
    EXPECT_THROW(frame.fuse(images, bad, {}, output.image, p), Error);
  }
  frame.fuse(images, good, {}, output.image, p);
  untroubled.fuse(images, good, {}, expected.image, p);
  EXPECT_EQ(output.bytes(), expected.bytes());
}

TEST(GradientFrame, TellsWhereTheTimeGoes) {
  const Parameters p = parameters_of(EvidenceSource::student);
  GradientFrame frame = frame_of(p);
  frame.time_parts(true);
  TestImage visible(layout_named("I420"), 48, 32), infrared(layout_named("GRAY8"), 48, 32),
      output(layout_named("I420"), 48, 32);
  visible.fill(1);
  infrared.fill(2);
  frame.fuse(std::array{visible.image, infrared.image}, {}, {}, output.image, p);
  std::vector<std::string> names;
  for (const FramePart& part : frame.parts()) {
    names.emplace_back(part.name);
    EXPECT_GE(part.milliseconds, 0);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"upload", "read", "noise", "network", "evidence", "steadiness",
                                             "weights", "base", "solve", "tone", "write", "download"}));
}

}  // namespace
}  // namespace digfusion
