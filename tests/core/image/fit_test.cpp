// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/fit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <opencv2/imgproc.hpp>
#include <ostream>

#include "core/interface/error.h"
#include "tests/core/tensors.h"

namespace digfusion {

void PrintTo(const Placement& p, std::ostream* out) {
  *out << p.width << "×" << p.height << " at " << p.x << ", " << p.y;
}

namespace {

constexpr InfraredFit fits[] = {InfraredFit::contain, InfraredFit::cover, InfraredFit::stretch};

TEST(Place, OfOneAspectRatioIsTheWholePicture) {
  for (const InfraredFit fit : fits) {
    EXPECT_EQ(place(640, 480, 1, 640, 480, 1, fit), (Placement{0, 0, 640, 480}));
    EXPECT_EQ(place(320, 240, 1, 640, 480, 1, fit), (Placement{0, 0, 640, 480}));
    EXPECT_EQ(place(1280, 960, 1, 641, 481, 1, fit), (Placement{0, 0, 641, 481}));  // within a pixel
  }
}

TEST(Place, OfAnotherAspectRatioFollowsTheFit) {
  // 5:4 in 16:9
  EXPECT_EQ(place(640, 512, 1, 1920, 1080, 1, InfraredFit::contain), (Placement{285, 0, 1350, 1080}));
  EXPECT_EQ(place(640, 512, 1, 1920, 1080, 1, InfraredFit::cover), (Placement{0, -228, 1920, 1536}));
  EXPECT_EQ(place(640, 512, 1, 1920, 1080, 1, InfraredFit::stretch), (Placement{0, 0, 1920, 1080}));
  // 16:9 in 5:4
  EXPECT_EQ(place(1920, 1080, 1, 640, 512, 1, InfraredFit::contain), (Placement{0, 76, 640, 360}));
  EXPECT_EQ(place(1920, 1080, 1, 640, 512, 1, InfraredFit::cover), (Placement{-135, 0, 910, 512}));
}

TEST(Place, CountsThePixelsAspect) {
  // 720×576 of 16:15 pixels is 4:3, as 640×480 of square ones.
  for (const InfraredFit fit : fits) {
    EXPECT_EQ(place(640, 480, 1, 720, 576, 16.0 / 15, fit), (Placement{0, 0, 720, 576}));
    EXPECT_EQ(place(720, 576, 16.0 / 15, 640, 480, 1, fit), (Placement{0, 0, 640, 480}));
  }
  // Pixels twice as wide: 200×200 shows as 400×200.
  EXPECT_EQ(place(200, 200, 2, 400, 400, 1, InfraredFit::contain), (Placement{0, 100, 400, 200}));
  EXPECT_EQ(place(400, 200, 1, 200, 200, 2, InfraredFit::contain), (Placement{0, 0, 200, 200}));
}

TEST(Place, StaysWithinBoundsForEveryShape) {
  const double aspects[] = {1e-300, 1e-6, 0.1, 1, 10, 1e6, 1e300};
  const std::pair<int, int> shapes[] = {{16, 16}, {16, 4096}, {4096, 16}, {640, 480}, {4096, 2160}};
  for (const double aspect : aspects)
    for (const auto& [w, h] : shapes)
      for (const auto& [W, H] : shapes) {
        const Placement inside = place(w, h, aspect, W, H, 1, InfraredFit::contain);
        ASSERT_TRUE(inside.x >= 0 && inside.y >= 0 && inside.width >= 1 && inside.height >= 1 &&
                    inside.x + inside.width <= W && inside.y + inside.height <= H);
        try {
          const Placement over = place(w, h, aspect, W, H, 1, InfraredFit::cover);
          ASSERT_TRUE(over.x <= 0 && over.y <= 0 && over.x + over.width >= W && over.y + over.height >= H);
          ASSERT_TRUE(over.width <= 8 * W && over.height <= 8 * H);
        } catch (const Error& error) {
          ASSERT_EQ(error.code(), ErrorCode::invalid_argument);
          ASSERT_NE(aspect * w / h, double(W) / H);
        }
      }
}

TEST(FitTo, ReturnsAPictureThatFitsAsItIs) {
  const at::Tensor infrared = random_pictures(1, 20, 30, 1), visible = random_pictures(1, 20, 30, 3);
  EXPECT_TRUE(fit_to(infrared, visible, {0, 0, 30, 20}).is_same(infrared) ||
              at::equal(fit_to(infrared, visible, {0, 0, 30, 20}), infrared));
}

TEST(FitTo, EnlargesAsOpenCvDoes) {
  const at::Tensor infrared = random_pictures(1, 20, 30, 1), visible = at::zeros({1, 1, 50, 60});
  const at::Tensor scaled = fit_to(infrared, visible, {0, 0, 60, 50});
  const cv::Mat in(20, 30, CV_32F, infrared.data_ptr<float>());
  cv::Mat out;
  cv::resize(in, out, {60, 50}, 0, 0, cv::INTER_LINEAR);
  const at::Tensor expected = at::from_blob(out.ptr<float>(), {1, 1, 50, 60});
  // At the very border the two filters differ.
  const auto inner = [](const at::Tensor& t) { return t.narrow(2, 2, 46).narrow(3, 2, 56); };
  EXPECT_TRUE(at::allclose(inner(scaled), inner(expected), 0, 2e-3));
}

TEST(FitTo, ReducesWithoutAliasing) {
  // A checkerboard of single pixels becomes gray.
  at::Tensor board = at::ones({1, 1, 64, 64});
  board.slice(2, 0, 64, 2).slice(3, 0, 64, 2).fill_(-1);
  board.slice(2, 1, 64, 2).slice(3, 1, 64, 2).fill_(-1);
  const at::Tensor small = fit_to(board, at::zeros({1, 1, 16, 16}), {0, 0, 16, 16});
  EXPECT_LT(small.abs().max().item<double>(), 0.05);
}

TEST(FitTo, LeavesTheVisiblePictureBesideIt) {
  const at::Tensor infrared = at::ones({1, 1, 16, 16}), visible = random_pictures(1, 20, 40, 1),
                   before = visible.clone();
  const at::Tensor result = fit_to(infrared, visible, {10, 0, 20, 20});
  ASSERT_EQ(result.sizes(), visible.sizes());
  EXPECT_TRUE(at::equal(result.narrow(3, 0, 10), visible.narrow(3, 0, 10)));
  EXPECT_TRUE(at::equal(result.narrow(3, 30, 10), visible.narrow(3, 30, 10)));
  EXPECT_TRUE(at::allclose(result.narrow(3, 10, 20), at::ones({1, 1, 20, 20})));
  EXPECT_TRUE(at::equal(visible, before));
}

TEST(FitTo, CutsOffWhatJutsOut) {
  const at::Tensor infrared = random_pictures(1, 40, 20, 1);
  const at::Tensor visible = at::zeros({1, 1, 20, 20});
  const Placement placement = place(20, 40, 1, 20, 20, 1, InfraredFit::cover);
  ASSERT_EQ(placement, (Placement{0, -10, 20, 40}));
  EXPECT_TRUE(at::equal(fit_to(infrared, visible, placement), infrared.narrow(2, 10, 20)));
}

TEST(FitTo, DoesEveryFitForUnlikeShapes) {
  for (const InfraredFit fit : fits)
    for (const auto& [w, h] : {std::pair(33, 17), std::pair(17, 33), std::pair(16, 70), std::pair(160, 16)}) {
      const at::Tensor visible = at::zeros({1, 1, 31, 47}), infrared = at::full({1, 1, h, w}, 0.5);
      const at::Tensor result = fit_to(infrared, visible, place(w, h, 1, 47, 31, 1, fit));
      ASSERT_EQ(result.sizes(), visible.sizes());
      if (fit != InfraredFit::contain) {
        EXPECT_TRUE(at::allclose(result, at::full_like(visible, 0.5)));
      }
    }
}

}  // namespace
}  // namespace digfusion
