// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Views by the kernels' CPU twins, against write_view() of the same pictures.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>

#include "core/fusion/gradient_frame.h"
#include "core/image/view.h"
#include "core/parameters/view.h"
#include "tests/core/image/test_image.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

constexpr int width = 76, height = 57;

at::Tensor stage(const GradientFrame& frame, const std::string& name) {
  for (const auto& [known, map] : frame.stages())
    if (known == name) return map;
  throw std::out_of_range(name);
}

/// A stream without a network, its pictures and what it has shown.
class Stream {
 public:
  explicit Stream(const Layout& layout, int w = width, int h = height)
      : visible(layout, w, h), infrared(layout_named("GRAY8"), w, h), layout_(layout) {
    parameters.evidence = EvidenceSource::gradient;
    visible.fill(5);
    const std::vector<double> heat = numbers(random_pictures(1, h, w, 3));
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        infrared.set(0, x, y, int(std::lround((heat[std::size_t(y * w + x)] + 1) * 127.5)));
  }

  void set(const char* name, const char* value) { ASSERT_FALSE(digfusion::set(parameters, name, value)); }

  /// Fuses a picture by the kernels, and looks at what it wrote.
  void expect_view(const std::string& what) {
    const int across = panels_across(parameters.mode);
    TestImage output(layout_, across * visible.image.width, visible.image.height),
        expected(layout_, across * visible.image.width, visible.image.height);
    for (TestImage* image : {&output, &expected}) {
      image->image.range = visible.image.range;
      image->image.matrix = visible.image.matrix;
    }
    frame.fuse(std::array{visible.image, infrared.image}, {}, {}, output.image, parameters);
    ASSERT_TRUE(output.is_intact_around_rows()) << what;
    const at::Tensor planes = stage(frame, "planes"), weights = stage(frame, "weights");
    const auto picture = [&](const at::Tensor& map, int k) {
      return map.narrow(0, k, 1).narrow(2, 0, visible.image.height).narrow(3, 0, visible.image.width);
    };
    const bool fuses = needs_of(parameters).fused;
    write_view({.visible = &visible.image,
                .infrared = picture(planes, 1),
                .fused = fuses ? frame.fused() : at::Tensor(),
                .gain = fuses ? (1 - picture(weights, 0)).clamp(0, 1) : at::Tensor(),
                .hot = {}},
               parameters, expected.image);
    int apart = 0, samples = 0;
    for (int c = 0; c < output.image.components; ++c)
      for (int y = 0; y < output.rows(c); ++y)
        for (int x = 0; x < output.columns(c); ++x, ++samples) {
          const int difference = std::abs(output.get(c, x, y) - expected.get(c, x, y));
          ASSERT_LE(difference, 1) << what << ": component " << c << " at " << x << ", " << y;
          apart += difference;
        }
    EXPECT_LE(apart, samples / 500) << what;  // where a mean lies between two levels
    // Bytes that hold no sample, too; but those of YUY2's last pixel pair are nobody's where the width is
    // odd.
    if (apart == 0 && visible.image.width % 2 == 0) {
      EXPECT_TRUE(output.bytes() == expected.bytes()) << what;
    }
  }

  TestImage visible, infrared;
  Parameters parameters;
  GradientFrame frame{make_cpu_backend(), nullptr};

 private:
  const Layout& layout_;
};

class EveryLayoutOfViewKernels : public testing::TestWithParam<Layout> {};

TEST_P(EveryLayoutOfViewKernels, ShowEveryViewAsTheCpuDoes) {
  Stream stream(GetParam());
  for (const char* palette : {"none", "iron", "turbo"}) {
    if (palette != std::string("none") && GetParam().components == 1) continue;
    stream.set("palette", palette);
    for (const char* mode : {"fused", "visible", "infrared", "gain"}) {
      stream.set("mode", mode);
      stream.expect_view(std::string(mode) + ", " + palette);
    }
    for (const char* mode : {"split", "checker", "side-by-side", "picture-in-picture"})
      for (const char* compare : {"visible-infrared", "visible-fused", "infrared-fused"}) {
        stream.set("mode", mode);
        stream.set("compare", compare);
        stream.expect_view(std::string(mode) + ", " + compare + ", " + palette);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, EveryLayoutOfViewKernels, testing::ValuesIn(layouts),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ViewKernels, FollowRangeMatrixSizeAndPlaceOfTheLine) {
  for (const auto& [w, h] : {std::pair{16, 130}, {131, 33}, {300, 200}})
    for (const Matrix matrix : {Matrix::bt709, Matrix::bt2020}) {
      Stream stream(layout_named("I420_10LE"), w, h);
      stream.visible.image.range = Range::limited;
      stream.visible.image.matrix = matrix;
      stream.set("palette", "lava");
      stream.set("compare", "infrared-fused");
      for (const char* mode : {"fused", "infrared", "split", "picture-in-picture", "side-by-side"}) {
        stream.set("mode", mode);
        for (const char* position : {"0", "0.31", "1"}) {
          stream.set("split-position", position);
          stream.expect_view(std::string(mode) + " at " + position + " of " + std::to_string(w));
        }
      }
    }
}

TEST(ViewKernels, ARecordedViewIsThatOfItsFrame) {
  Stream stream(layout_named("NV12"));
  for (int n = 0; n < 24; ++n) {  // each kind of frame often enough to be a graph
    stream.set("mode", n % 3 == 0 ? "split" : n % 3 == 1 ? "fused" : "infrared");
    stream.set("split-position", n % 2 == 0 ? "0.25" : "0.75");
    stream.set("palette", n % 4 < 2 ? "none" : "arctic");
    stream.visible.fill(std::uint64_t(n));
    stream.expect_view("frame " + std::to_string(n));
  }
  EXPECT_GE(stream.frame.counts().replayed, 8u);
}

}  // namespace
}  // namespace digfusion
