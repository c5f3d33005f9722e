// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Infrared pictures that kernels bring to the visible picture's grid, through the kernels' CPU twins, against
// core/image and the Fuser that they must equal.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/fusion/fuser.h"
#include "core/fusion/gradient_frame.h"
#include "core/image/fit.h"
#include "core/image/luma.h"
#include "core/image/remap.h"
#include "core/image/thermal.h"
#include "core/interface/device_frames.h"
#include "core/interface/error.h"
#include "tests/core/device/late_backend.h"
#include "tests/core/image/test_image.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

Parameters parameters_with(std::initializer_list<std::pair<const char*, const char*>> changes) {
  Parameters p;
  p.device = Word("cpu");
  p.precision = Precision::float32;
  p.evidence = EvidenceSource::gradient;
  for (const auto& [name, text] : changes)
    if (const auto message = set(p, name, text)) ADD_FAILURE() << *message;
  return p;
}

/// What the CPU's way makes of source i: on the visible picture's grid.
at::Tensor by_definition(const Image* sources, std::size_t i, const Parameters& p, ThermalSource& thermal,
                         Registrar& registrar) {
  const at::Tensor visible = read_luma(sources[0]),
                   picture = thermal.read(sources[i], ThermalSettings(p), false);
  if (registrar.registers()) return registrar.apply(i, picture, visible);
  return fit_to(picture, visible,
                place(picture.size(3), picture.size(2), sources[i].pixel_aspect, sources[0].width,
                      sources[0].height, sources[0].pixel_aspect, p.infrared_fit));
}

/// Both ways of one stream of frames.
struct BothWays {
  explicit BothWays(const Parameters& parameters)
      : p(parameters), fuser(p, [](const std::string&) {}), frame(make_cpu_backend(), nullptr) {}

  /// The largest difference of the infrared planes, on -1..1.
  double fuse(std::span<const Image> sources, const Image& output) {
    std::vector<Image> images(sources.begin(), sources.end());
    std::vector<at::Tensor> lumas = {read_luma(sources[0])}, ready(sources.size());
    std::vector<InfraredWork> work(sources.size());
    bool negative[max_sources] = {};
    defining.resize(sources.size());
    tested.resize(sources.size());
    for (std::size_t i = 1; i < sources.size(); ++i) {
      lumas.push_back(by_definition(sources.data(), i, p, defining[i], defining_registrar));
      const InfraredInput made =
          prepare_infrared(sources.data(), i, p, ThermalSettings(p), tested[i], tested_registrar);
      images[i] = made.image;
      ready[i] = made.ready;
      work[i] = made.work;
      negative[i] = made.negative;
      const auto &a = tested[i].display_range(), &b = defining[i].display_range();
      EXPECT_EQ(a.has_value(), b.has_value());
      if (a && b) {
        EXPECT_EQ(a->black, b->black);
        EXPECT_EQ(a->white, b->white);
      }
    }
    frame.fuse(images, ready, {negative, images.size()}, output, p, work);
    expected = fuser.fuse(at::cat(lumas));
    return (frame.stages()[0].second - at::cat(lumas)).abs().max().item<double>();
  }

  Parameters p;
  Fuser fuser;
  GradientFrame frame;
  std::vector<ThermalSource> defining, tested;
  Registrar defining_registrar{p.registration.view()}, tested_registrar{p.registration.view()};
  at::Tensor expected;  ///< fused
};

/// A smooth scene that drifts, in the layout's own range or around 7600 of 16 bits.
void fill(TestImage& image, int n, bool raw) {
  const int width = image.image.width, height = image.image.height;
  const at::Tensor scene = random_pictures(1, height, width, std::uint64_t(40 + n / 4)) * 0.9;
  const std::vector<double> value = numbers(scene);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double v = value[std::size_t(y * width + x)];
      const int sample =
          raw ? int(std::lround(7600 + 20 * n + 150 * v))
              : int(std::lround(image.black() + (v + 1) / 2 * (image.white() - image.black())));
      for (int c = 0; c < (image.image.is_rgb ? 3 : 1); ++c)
        image.set(c, x, y, raw && image.image.big_endian ? (sample & 255) << 8 | sample >> 8 : sample);
    }
}

struct Case {
  const char* layout;
  int width, height, visible_width, visible_height;
  std::vector<std::pair<const char*, const char*>> changes;
  bool big_endian = false;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.layout << " " << c.width << "x" << c.height << " on " << c.visible_width << "x"
       << c.visible_height;
  for (const auto& [name, text] : c.changes) *out << " " << name << "=" << text;
}

class EveryInfrared : public testing::TestWithParam<Case> {};

TEST_P(EveryInfrared, IsWhatTheCpuMakesOfIt) {
  const Case& c = GetParam();
  Parameters p = parameters_with({});
  for (const auto& [name, text] : c.changes) ASSERT_FALSE(set(p, name, text));
  BothWays both(p);
  TestImage visible(layout_named("NV12"), c.visible_width, c.visible_height),
      output(layout_named("NV12"), c.visible_width, c.visible_height),
      infrared(layout_named(c.layout), c.width, c.height);
  visible.image.range = Range::limited;
  infrared.image.big_endian = c.big_endian;
  double apart = 0;
  for (int n = 0; n < 8; ++n) {
    visible.fill(unsigned(n / 4));
    fill(visible, n + 100, false);
    fill(infrared, n, is_raw(infrared.image));
    apart = std::max(apart, both.fuse(std::array{visible.image, infrared.image}, output.image));
    const at::Tensor difference = (both.frame.fused().clamp(-1, 1) - both.expected).abs() * 127.5;
    EXPECT_LT(difference.square().mean().sqrt().item<double>(), 0.02) << "frame " << n;
  }
  EXPECT_LT(apart, 1e-6);
  RecordProperty("apart_1e9", int(apart * 1e9));
  EXPECT_GE(both.frame.counts().replayed, 5u);
  EXPECT_EQ(both.frame.counts().plans, 1u);
}

constexpr const char* turned = "0.9,0.05,3,-0.04,1.1,-2";          // fades at its borders
constexpr const char* reduced = "0.45,0.01,4,-0.01,0.46,2,0,0,1";  // over 1.5 infrared pixels to one
constexpr const char* enlarged = "2.1,0.02,-3,0.01,2.2,-2,0.0001,0,1";

INSTANTIATE_TEST_SUITE_P(
    Infrared, EveryInfrared,
    testing::Values(
        // Raw values of the visible picture's size and of others.
        Case{"GRAY16_LE", 80, 64, 80, 64, {}}, Case{"GRAY16_LE", 80, 64, 80, 64, {}, true},
        Case{"GRAY16_LE", 64, 51, 128, 72, {}},
        Case{"GRAY16_LE", 64, 51, 128, 72, {{"gain-control", "plateau"}, {"infrared-fit", "cover"}}},
        Case{"GRAY16_LE", 64, 51, 128, 72, {{"gain-control", "full"}, {"infrared-fit", "stretch"}}, true},
        Case{"GRAY16_LE", 160, 120, 61, 47, {{"polarity", "black-hot"}, {"gain-control", "plateau"}}},
        Case{"GRAY16_LE", 64, 51, 90, 72, {{"thermal-range", "7500..7700"}}},
        Case{"GRAY16_LE",
             67,
             53,
             96,
             72,
             {{"crop-top", "2"}, {"crop-left", "3"}, {"crop-right", "4"}, {"crop-bottom", "1"}},
             true},
        Case{"GRAY16_LE", 64, 51, 128, 72, {{"dead-pixels", "correct"}}},
        // Pictures that are gray already.
        Case{"GRAY8", 80, 64, 80, 64, {{"polarity", "auto"}}},
        Case{"GRAY8", 50, 40, 80, 64, {{"polarity", "auto"}, {"crop-top", "5"}}},
        Case{"NV12",
             88,
             64,
             80,
             60,
             {{"crop-left", "3"}, {"crop-right", "5"}, {"crop-top", "3"}, {"crop-bottom", "1"}}},
        Case{"P010_10LE", 90, 50, 160, 100, {{"infrared-fit", "cover"}, {"polarity", "black-hot"}}},
        Case{"YUY2", 90, 51, 64, 64, {{"crop-left", "7"}}}, Case{"BGRx", 200, 41, 64, 64, {}},
        Case{"I420", 90, 51, 64, 64, {{"dead-pixels", "correct"}, {"infrared-fit", "cover"}}},
        // Moved by a registration.
        Case{"GRAY16_LE", 80, 64, 80, 64, {{"registration", turned}}},
        Case{"GRAY16_LE", 80, 64, 80, 64, {{"registration", "1,0,0,0,1,0"}}},
        Case{"GRAY16_LE", 160, 128, 80, 64, {{"registration", reduced}, {"gain-control", "plateau"}}},
        Case{"GRAY8", 64, 51, 128, 100, {{"registration", enlarged}, {"polarity", "black-hot"}}},
        Case{"RGB", 75, 60, 80, 64, {{"registration", turned}, {"crop-top", "3"}, {"crop-right", "5"}}},
        Case{"NV12", 80, 64, 80, 64, {{"registration", turned}, {"dead-pixels", "correct"}}}));

TEST(Infrared, ScalesRandomSizesAsTheCpuDoes) {
  std::mt19937 random(3);
  const auto side = [&](int least, int most) { return std::uniform_int_distribution(least, most)(random); };
  const Parameters p = parameters_with({{"infrared-fit", "stretch"}});
  double apart = 0;
  for (int n = 0; n < 30; ++n) {
    BothWays both(p);
    const int width = side(16, 400), height = side(16, 300), to_width = side(16, 400),
              to_height = side(16, 300);
    TestImage visible(layout_named("GRAY8"), to_width, to_height),
        output(layout_named("GRAY8"), to_width, to_height), infrared(layout_named("GRAY8"), width, height);
    visible.fill(1);
    infrared.fill(unsigned(n));  // noise: every weight counts
    const double now = both.fuse(std::array{visible.image, infrared.image}, output.image);
    EXPECT_LT(now, 1e-6) << width << "x" << height << " to " << to_width << "x" << to_height;
    apart = std::max(apart, now);
  }
  RecordProperty("apart_1e9", int(apart * 1e9));
}

TEST(Infrared, ANewRegistrationIsTakenOverInTheSamePlan) {
  BothWays both(parameters_with({{"registration", turned}}));
  TestImage visible(layout_named("GRAY8"), 80, 64), output(layout_named("GRAY8"), 80, 64),
      infrared(layout_named("GRAY16_LE"), 80, 64);
  fill(visible, 1, false);
  fill(infrared, 2, true);
  for (const char* registration : {turned, "1.1,0.05,3,-0.04,0.95,-2", "0.8,0,5,0,0.8,5"}) {
    both.defining_registrar.configure(registration);
    both.tested_registrar.configure(registration);
    for (int n = 0; n < 4; ++n)
      EXPECT_LT(both.fuse(std::array{visible.image, infrared.image}, output.image), 1e-6) << registration;
  }
  EXPECT_EQ(both.frame.counts().plans, 1u);
}

TEST(Infrared, SeveralSourcesGoEachItsOwnWay) {
  BothWays both(parameters_with({}));
  TestImage visible(layout_named("NV12"), 96, 64), output(layout_named("NV12"), 96, 64),
      first(layout_named("GRAY16_LE"), 40, 32), second(layout_named("GRAY8"), 96, 64),
      third(layout_named("I420"), 200, 180);
  visible.fill(9);
  for (int n = 0; n < 6; ++n) {
    fill(visible, n, false);
    fill(first, n + 10, true);
    fill(second, n + 20, false);
    fill(third, n + 30, false);
    EXPECT_LT(both.fuse(std::array{visible.image, first.image, second.image, third.image}, output.image),
              1e-6);
    EXPECT_LT((both.frame.fused().clamp(-1, 1) - both.expected).square().mean().sqrt().item<double>() * 127.5,
              0.02);
  }
}

TEST(Infrared, AllocatesNothingAndWaitsOnceAFrame) {
  BothWays both(parameters_with({{"registration", turned}}));
  TestImage visible(layout_named("NV12"), 80, 64), output(layout_named("NV12"), 80, 64),
      infrared(layout_named("GRAY16_LE"), 64, 51);
  DeviceCounts before;
  for (int n = 0; n < 40; ++n) {
    fill(visible, n % 3, false);
    fill(infrared, n, true);
    if (n == 10) before = both.frame.backend().counts();
    both.fuse(std::array{visible.image, infrared.image}, output.image);
  }
  EXPECT_EQ(both.frame.backend().counts().allocations, before.allocations);
  EXPECT_EQ(both.frame.backend().counts().waits, before.waits + 30);
}

/// Eight frames of raw values that brighten, so that each has a curve of its own, from the fifth on in
/// another place; the outputs.
std::vector<std::vector<std::uint8_t>> fused_in(std::unique_ptr<Backend> backend, int in_flight) {
  const Parameters p = parameters_with({{"adaptation", "0.5"}});
  GradientFrame frame(std::move(backend), nullptr, true, in_flight);
  ThermalSource thermal;
  Registrar before(turned), after("1.1,0.05,3,-0.04,0.95,-2");
  std::vector<std::unique_ptr<TestImage>> outputs;
  for (int n = 0; n < 8; ++n) {
    TestImage visible(layout_named("GRAY8"), 80, 64), infrared(layout_named("GRAY16_LE"), 80, 64);
    fill(visible, 1, false);
    fill(infrared, 3 * n, true);
    outputs.push_back(std::make_unique<TestImage>(layout_named("GRAY8"), 80, 64));
    const std::array sources{visible.image, infrared.image};
    const InfraredInput made =
        prepare_infrared(sources.data(), 1, p, ThermalSettings(p), thermal, n < 4 ? before : after);
    frame.begin(std::array{sources[0], made.image}, {}, std::array{false, made.negative},
                outputs.back()->image, p, std::array{InfraredWork{}, made.work});
    if (n + 1 >= in_flight) frame.finish();
  }
  for (int n = 1; n < in_flight; ++n) frame.finish();
  std::vector<std::vector<std::uint8_t>> bytes;
  for (const auto& output : outputs) bytes.push_back(output->bytes());
  return bytes;
}

TEST(Infrared, OfTwoFramesInFlightEachHasItsCurveAndItsPlace) {
  const auto expected = fused_in(make_cpu_backend(), 1);
  std::vector<LateOrder> orders = {{0, {}}, {1, {}}, {2, {}}, {3, {}}, {4, {}}, {5, {}}, {6, {}}, {7, {}}};
  for (unsigned seed = 0; seed < 12; ++seed) orders.push_back({0, seed});
  for (const LateOrder& order : orders)
    EXPECT_EQ(fused_in(make_late_backend(std::make_shared<LateStreams>(order)), 2), expected)
        << "order " << order.eager << ", seed " << int(order.seed.value_or(999));
}

TEST(Infrared, WhatCroppingLeavesTooSmallIsAnError) {
  const Parameters p = parameters_with({{"crop-top", "40"}});
  TestImage infrared(layout_named("GRAY16_LE"), 64, 51);
  EXPECT_THROW(cropped(infrared.image, ThermalSettings(p)), Error);
}

}  // namespace
}  // namespace digfusion
