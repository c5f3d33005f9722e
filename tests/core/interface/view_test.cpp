// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What fuse() writes for each mode, in each layout, against plain loops in float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/image/palette.h"
#include "core/interface/interface.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/image/test_image.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

using Colour = std::array<double, 3>;

constexpr int width = 50, height = 38;

double luma_of(const Colour& c) { return .299 * c[0] + .587 * c[1] + .114 * c[2]; }

/// A fuser without a network, and its pictures.
class Views {
 public:
  explicit Views(const Layout& layout, int w = width, int h = height)
      : visible(layout, w, h), infrared(layout_named("GRAY8"), w, h), layout_(layout) {
    parameters.evidence = EvidenceSource::gradient;
    parameters.device = Word("cpu");
    parameters.threads = 1;
    Status status;
    fuser.reset(digfusion_create(abi_version, sizeof(Parameters), &status));
    status = fuser->load(parameters, nullptr, nullptr);
    EXPECT_TRUE(status.ok()) << status.message;
    visible.fill(1);
    const std::vector<double> heat = numbers(random_pictures(1, h, w, 3));
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        infrared.set(0, x, y, int(std::lround((heat[std::size_t(y * w + x)] + 1) * 127.5)));
  }

  Status status(const TestImage& output) {
    fuser->reset();
    Status status = fuser->configure(parameters);
    const Image sources[] = {visible.image, infrared.image};
    return status.ok() ? fuser->fuse(sources, 2, output.image) : status;
  }

  /// The output with these parameters, by itself.
  std::unique_ptr<TestImage> show(std::initializer_list<std::pair<const char*, const char*>> settings,
                                  int across = 1) {
    for (const auto& [name, value] : settings) EXPECT_FALSE(set(parameters, name, value)) << name;
    auto output = std::make_unique<TestImage>(layout_, across * visible.image.width, visible.image.height);
    output->image.range = visible.image.range;
    const Status result = status(*output);
    EXPECT_TRUE(result.ok()) << result.message;
    EXPECT_TRUE(output->is_intact_around_rows());
    return output;
  }

  TestImage visible, infrared;
  Parameters parameters;
  std::unique_ptr<StreamFuser> fuser;

 private:
  const Layout& layout_;
};

/// What component `c` of a sample has for these colours, mean over its block.
double expected_sample(const TestImage& image, int c, int column, int row,
                       const std::function<Colour(int x, int y)>& colour) {
  const Component& component = image.image.component[c];
  const double unit = 1 << (component.depth - 8), white = image.white(), black = image.black();
  double sum = 0;
  int count = 0;
  for (int y = row << component.h_sub; y < std::min((row + 1) << component.h_sub, image.image.height); ++y)
    for (int x = column << component.w_sub; x < std::min((column + 1) << component.w_sub, image.image.width);
         ++x, ++count) {
      const Colour rgb = colour(x, y);
      const double luma = luma_of(rgb);
      const double half = image.image.range == Range::limited ? 112 * unit : white / 2;
      if (image.image.is_rgb)
        sum += black + (white - black) * std::clamp(rgb[std::size_t(c)], 0., 1.);
      else if (c == 0)
        sum += black + (white - black) * luma;
      else
        sum += 128 * unit + 2 * half * (c == 1 ? (rgb[2] - luma) / 1.772 : (rgb[0] - luma) / 1.402);
    }
  return std::clamp(sum / count, 0., double((1 << component.depth) - 1));
}

void expect_colours(const TestImage& image, const std::function<Colour(int x, int y)>& colour) {
  for (int c = 0; c < std::min(image.image.components, 3); ++c)
    for (int y = 0; y < image.rows(c); ++y)
      for (int x = 0; x < image.columns(c); ++x)
        ASSERT_NEAR(image.get(c, x, y), expected_sample(image, c, x, y, colour), 0.51)
            << "component " << c << " at " << x << ", " << y;
}

void expect_equal(const TestImage& a, const TestImage& b) {
  for (int c = 0; c < a.image.components; ++c)
    for (int y = 0; y < a.rows(c); ++y)
      for (int x = 0; x < a.columns(c); ++x) ASSERT_EQ(a.get(c, x, y), b.get(c, x, y)) << c;
}

class EveryLayoutOfViews : public testing::TestWithParam<Layout> {
 protected:
  Views views{GetParam()};
  const bool is_gray = GetParam().components == 1;

  Colour infrared_at(int x, int y) const {
    const double v = views.infrared.get(0, x, y) / 255.;
    return {v, v, v};
  }
};

TEST_P(EveryLayoutOfViews, VisibleIsThePictureAsItComes) {
  const auto output = views.show({{"mode", "visible"}});
  EXPECT_EQ(output->bytes(), views.visible.bytes());
  EXPECT_EQ(views.fuser->statistics().evaluations, 0u);
  EXPECT_EQ(views.fuser->report().levels, 0);
}

TEST_P(EveryLayoutOfViews, InfraredIsGray) {
  for (const Range range : {Range::full, Range::limited}) {
    views.visible.image.range = range;
    expect_colours(*views.show({{"mode", "infrared"}}), [&](int x, int y) { return infrared_at(x, y); });
  }
}

TEST_P(EveryLayoutOfViews, GainIsTheWeightsMap) {
  // Texture on the left is the visible picture's, on the right the infrared one's.
  views.infrared.fill(2);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      if (x < width / 2) views.infrared.set(0, x, y, 128);
      for (int c = 0; x >= width / 2 && c < (GetParam().is_rgb ? 3 : 1); ++c)
        views.visible.set(c, x, y, views.visible.white() / 2);
    }
  const auto output = views.show({{"mode", "gain"}});
  const FrameReport report = views.fuser->report();
  ASSERT_EQ(report.levels, 1);
  double sum = 0;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) sum += output->get(0, x, y);
  const double mean = (sum / (width * height) - output->black()) / (output->white() - output->black());
  EXPECT_NEAR(mean, report.weight_mean[0], 0.003);
  EXPECT_LT(output->get(0, 5, 20), views.visible.white() / 10);
  EXPECT_GT(output->get(0, width - 5, 20), views.visible.white() * 9 / 10);
  expect_colours(*output, [&](int x, int y) {
    const double v = double(output->get(0, x, y) - output->black()) / (output->white() - output->black());
    return Colour{v, v, v};
  });
}

/// Which of two pictures shows at a pixel.
using Choice2 = std::function<bool(int x, int y)>;

void expect_choice(const TestImage& output, const TestImage& first, const TestImage& second,
                   const Choice2& is_second) {
  for (int c = 0; c < output.image.components; ++c) {
    const Component& component = output.image.component[c];
    for (int y = 0; y < output.rows(c); ++y)
      for (int x = 0; x < output.columns(c); ++x)
        ASSERT_EQ(output.get(c, x, y),
                  (is_second(x << component.w_sub, y << component.h_sub) ? second : first).get(c, x, y))
            << "component " << c << " at " << x << ", " << y;
  }
}

TEST_P(EveryLayoutOfViews, SplitAndCheckerShowEachPictureInItsPlace) {
  const bool blocks = !is_gray && GetParam().samples[1].w_sub > 0;
  const auto visible = views.show({{"mode", "visible"}}), infrared = views.show({{"mode", "infrared"}}),
             fused = views.show({{"mode", "fused"}});
  for (const auto& [compare, first, second] : {std::tuple{"visible-infrared", &visible, &infrared},
                                               {"visible-fused", &visible, &fused},
                                               {"infrared-fused", &infrared, &fused}}) {
    for (const auto& [position, from] : {std::pair{"0", 0}, {"0.5", blocks ? 24 : 25}, {"1", width}}) {
      SCOPED_TRACE(position);
      expect_choice(*views.show({{"mode", "split"}, {"compare", compare}, {"split-position", position}}),
                    **first, **second, [from = from](int x, int) { return x >= from; });
    }
    expect_choice(*views.show({{"mode", "checker"}, {"compare", compare}}), **first, **second,
                  [](int x, int y) { return (x / 4 + y / 4) % 2 == 1; });
  }
}

TEST_P(EveryLayoutOfViews, SideBySideIsTwiceAsWide) {
  for (const int w : {width, 51}) {  // of an odd width, a block of chroma is the mean of its pixels'
    Views wide(GetParam(), w, height);
    const auto visible = wide.show({{"mode", "visible"}}), fused = wide.show({{"mode", "fused"}});
    const auto output = wide.show({{"mode", "side-by-side"}, {"compare", "visible-fused"}}, 2);
    for (int c = 0; c < output->image.components; ++c)
      for (int y = 0, sub = output->image.component[c].w_sub; y < output->rows(c); ++y)
        for (int x = 0; x < output->columns(c); ++x) {
          double sum = 0;
          for (int p = x << sub; p < (x + 1) << sub; ++p)
            sum += p < w ? visible->get(c, p >> sub, y) : fused->get(c, (p - w) >> sub, y);
          ASSERT_NEAR(output->get(c, x, y), sum / (1 << sub), .51) << c << " at " << x << ", " << y;
        }
  }
  views.show({{"mode", "side-by-side"}}, 2);
  TestImage narrow(GetParam(), width, height);
  const Status status = views.status(narrow);
  EXPECT_EQ(status.code, ErrorCode::invalid_argument);
  EXPECT_NE(std::string(status.message).find("twice as wide"), std::string::npos) << status.message;
}

TEST_P(EveryLayoutOfViews, PictureInPictureIsAThirdInTheUpperRightCorner) {
  const auto visible = views.show({{"mode", "visible"}}), infrared = views.show({{"mode", "infrared"}});
  const auto output = views.show({{"mode", "picture-in-picture"}});
  constexpr int wide = 16, high = 12;
  for (int c = 0; c < output->image.components; ++c) {
    const Component& component = output->image.component[c];
    const int columns = wide >> component.w_sub, rows = high >> component.h_sub;
    const int left = (width - wide) >> component.w_sub;
    for (int y = 0; y < output->rows(c); ++y)
      for (int x = 0; x < output->columns(c); ++x) {
        if (x < left || y >= rows) {
          ASSERT_EQ(output->get(c, x, y), visible->get(c, x, y));
          continue;
        }
        // The mean over the part of the large picture that the pixel covers.
        const double sx = double(infrared->columns(c)) / columns, sy = double(infrared->rows(c)) / rows;
        double sum = 0;
        for (int v = 0; v < infrared->rows(c); ++v)
          for (int u = 0; u < infrared->columns(c); ++u) {
            const double across =
                             std::min(u + 1., (x - left + 1) * sx) - std::max(double(u), (x - left) * sx),
                         down = std::min(v + 1., (y + 1) * sy) - std::max(double(v), y * sy);
            if (across > 0 && down > 0) sum += across * down * infrared->get(c, u, v);
          }
        ASSERT_NEAR(output->get(c, x, y), sum / (sx * sy), component.depth > 8 ? 1.01 : 0.52);
      }
  }
}

TEST_P(EveryLayoutOfViews, APaletteColoursInfraredByItsTable) {
  if (is_gray) return;
  for (const char* palette : {"iron", "turbo"}) {
    const auto output = views.show({{"mode", "infrared"}, {"palette", palette}});
    expect_colours(*output, [&](int x, int y) {
      const Rgb& rgb = palette_table(views.parameters.palette)[std::size_t(views.infrared.get(0, x, y))];
      return Colour{rgb[0] / 255., rgb[1] / 255., rgb[2] / 255.};
    });
  }
}

TEST_P(EveryLayoutOfViews, APaletteColoursWhatIsWarmInTheFusedPictureAndKeepsItsLuma) {
  if (is_gray) return;
  const auto fused = views.show({{"mode", "fused"}});
  const auto output = views.show({{"palette", "lava"}});
  at::Tensor gray = at::empty({1, 1, height, width});
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      gray.data_ptr<float>()[y * width + x] = float(2 * infrared_at(x, y)[0] - 1);
  const std::vector<double> share = numbers(prominence(gray)),
                            warm = numbers(palette_chroma(gray, Palette::lava));
  const auto at = [](int x, int y) { return std::size_t(y * width + x); };
  const auto colour = [&](int x, int y) {
    const std::size_t plane = width * height;
    return Colour{(warm[at(x, y)] + 1) / 2, (warm[plane + at(x, y)] + 1) / 2,
                  (warm[2 * plane + at(x, y)] + 1) / 2};
  };
  int coloured = 0, left_alone = 0;
  for (int c = 0; c < 3; ++c)
    for (int row = 0; row < output->rows(c); ++row)
      for (int column = 0; column < output->columns(c); ++column) {
        const int now = output->get(c, column, row), before = fused->get(c, column, row);
        const Component& component = output->image.component[c];
        if (output->image.is_rgb) {
          const double s = share[at(column, row)], white = fused->white();
          Colour own{};
          for (int i = 0; i < 3; ++i) own[std::size_t(i)] = fused->get(i, column, row) / white;
          const Colour target = colour(column, row);
          const double lifted = target[std::size_t(c)] + luma_of(own) - luma_of(target);
          ASSERT_NEAR(now, white * std::clamp(std::lerp(before / white, lifted, s), 0., 1.), 0.51);
          s == 0 ? ++left_alone : ++coloured;
          continue;
        }
        if (c == 0) {
          ASSERT_EQ(now, before);
          continue;
        }
        // Σ s·chroma + (1 - mean s)·before
        double mixed = 0, sum = 0;
        int count = 0;
        const double neutral = 128 << (component.depth - 8);
        for (int y = row << component.h_sub; y < std::min((row + 1) << component.h_sub, height); ++y)
          for (int x = column << component.w_sub; x < std::min((column + 1) << component.w_sub, width);
               ++x, ++count) {
            const Colour rgb = colour(x, y);
            const double difference =
                c == 1 ? (rgb[2] - luma_of(rgb)) / 1.772 : (rgb[0] - luma_of(rgb)) / 1.402;
            mixed += share[at(x, y)] * (neutral + fused->white() * difference);
            sum += share[at(x, y)];
          }
        const double largest = (1 << component.depth) - 1;
        ASSERT_NEAR(now, std::clamp(mixed / count + (1 - sum / count) * before, 0., largest), 0.51);
        sum == 0 ? ++left_alone : ++coloured;
      }
  EXPECT_GT(coloured, 100);
  EXPECT_GT(left_alone, 100);
}

TEST_P(EveryLayoutOfViews, OddSizesAreShownToTheLastPixel) {
  constexpr int w = 51, h = 37;
  Views odd(GetParam(), w, h);
  const auto visible = odd.show({{"mode", "visible"}}), infrared = odd.show({{"mode", "infrared"}});
  const auto both = odd.show({{"mode", "side-by-side"}}, 2);
  const auto first = odd.show({{"mode", "split"}, {"split-position", "1"}});
  const auto second = odd.show({{"mode", "split"}, {"split-position", "0"}});
  const auto checker = odd.show({{"mode", "checker"}});
  const auto small = odd.show({{"mode", "picture-in-picture"}});
  expect_equal(*first, *visible);
  expect_equal(*second, *infrared);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      ASSERT_EQ(both->get(0, x, y), visible->get(0, x, y));
      ASSERT_EQ(both->get(0, w + x, y), infrared->get(0, x, y));
      ASSERT_EQ(checker->get(0, x, y), ((x / 4 + y / 4) % 2 ? infrared : visible)->get(0, x, y));
      if (y >= 12 || x < w - 18) {
        ASSERT_EQ(small->get(0, x, y), visible->get(0, x, y));
      }
    }
}

TEST_P(EveryLayoutOfViews, GrayOutputRefusesColours) {
  if (!is_gray) return;
  TestImage output(GetParam(), width, height);
  for (const auto& [name, value] : {std::pair{"palette", "iron"}, {"highlight-above", "37C"}}) {
    ASSERT_FALSE(set(views.parameters, name, value));
    const Status status = views.status(output);
    EXPECT_EQ(status.code, ErrorCode::invalid_argument);
    EXPECT_NE(std::string(status.message).find(std::string("parameter ") + name), std::string::npos);
    EXPECT_NE(std::string(status.message).find(std::string(name) + "=none"), std::string::npos);
    ASSERT_FALSE(set(views.parameters, name, "none"));
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, EveryLayoutOfViews, testing::ValuesIn(layouts),
                         [](const auto& tested) { return std::string(tested.param.name); });

/// Raw pictures of half the size, of 20 °C with a place of 40 °C.
class ThermalViews : public testing::Test {
 protected:
  ThermalViews() {
    for (int y = 0; y < height / 2; ++y)
      for (int x = 0; x < width / 2; ++x)
        raw.set(0, x, y, is_hot(2 * x, 2 * y) ? 31315 : 29315 + (x + y) % 7);
  }
  static bool is_hot(int x, int y) { return x / 2 >= 9 && x / 2 < 14 && y / 2 >= 5 && y / 2 < 11; }

  Status fuse(StreamFuser& fuser, const TestImage& visible, const TestImage& output) {
    fuser.reset();
    const Status status = fuser.configure(views.parameters);
    const Image sources[] = {visible.image, raw.image};
    return status.ok() ? fuser.fuse(sources, 2, output.image) : status;
  }

  Views views{layout_named("RGB")};
  TestImage raw{layout_named("GRAY16_LE"), width / 2, height / 2};
  TestImage output{layout_named("RGB"), width, height}, plain{layout_named("RGB"), width, height};
};

TEST_F(ThermalViews, HighlightAboveShowsWhatIsWarmerInMagenta) {
  for (const char* mode : {"infrared", "fused"})
    for (const char* above : {"37C", "310.15K", "31315", "30000"}) {
      SCOPED_TRACE(above);
      ASSERT_FALSE(set(views.parameters, "mode", mode));
      ASSERT_FALSE(set(views.parameters, "highlight-above", "none"));
      ASSERT_TRUE(fuse(*views.fuser, views.visible, plain).ok());
      ASSERT_FALSE(set(views.parameters, "highlight-above", above));
      const Status status = fuse(*views.fuser, views.visible, output);
      ASSERT_TRUE(status.ok()) << status.message;
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
          for (int c = 0; c < 3; ++c)
            ASSERT_EQ(output.get(c, x, y), is_hot(x, y) ? signal_colour[std::size_t(c)] : plain.get(c, x, y))
                << x << ", " << y;
    }
  ASSERT_FALSE(set(views.parameters, "highlight-above", "41C"));
  ASSERT_TRUE(fuse(*views.fuser, views.visible, output).ok());
  EXPECT_EQ(output.bytes(), plain.bytes());
}

TEST_F(ThermalViews, HighlightFollowsRegistrationAndCrop) {
  ASSERT_FALSE(set(views.parameters, "mode", "infrared"));
  ASSERT_FALSE(set(views.parameters, "highlight-above", "37C"));
  ASSERT_FALSE(set(views.parameters, "registration", "2,0,6.5,0,2,4.5"));  // 2x and (6, 4) further
  ASSERT_FALSE(set(views.parameters, "crop-left", "3"));
  const Status status = fuse(*views.fuser, views.visible, output);
  ASSERT_TRUE(status.ok()) << status.message;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const bool magenta =
          output.get(0, x, y) == 255 && output.get(1, x, y) == 0 && output.get(2, x, y) == 255;
      // What is cropped away moves the rest to the left.
      ASSERT_EQ(magenta, is_hot(x - 6 + 2 * 3, y - 4)) << x << ", " << y;
    }
}

TEST_F(ThermalViews, EightBitsHaveNoTemperatures) {
  TestImage out(layout_named("RGB"), width, height);
  ASSERT_FALSE(set(views.parameters, "highlight-above", "37C"));
  const Status status = views.status(out);
  EXPECT_EQ(status.code, ErrorCode::invalid_argument);
  EXPECT_NE(std::string(status.message).find("highlight-above: the infrared picture has no raw values"),
            std::string::npos)
      << status.message;
}

TEST_F(ThermalViews, TheReportTellsWhatBlackAndWhiteStandFor) {
  ASSERT_FALSE(set(views.parameters, "mode", "infrared"));
  ASSERT_TRUE(fuse(*views.fuser, views.visible, output).ok());
  FrameReport report = views.fuser->report();
  EXPECT_NEAR(report.black_value, 29315, 2);
  EXPECT_NEAR(report.white_value, 31315, 2);
  EXPECT_NEAR(report.black_celsius, 20, 0.02);
  EXPECT_NEAR(report.white_celsius, 40, 0.02);
  ASSERT_FALSE(set(views.parameters, "thermal-range", "10C..60C"));
  ASSERT_FALSE(set(views.parameters, "radiometry", "15396,0.01135,1406.2,1,-6395"));
  ASSERT_TRUE(fuse(*views.fuser, views.visible, output).ok());
  report = views.fuser->report();
  EXPECT_NEAR(report.black_celsius, 10, 1e-6);
  EXPECT_NEAR(report.white_celsius, 60, 1e-6);
  EXPECT_LT(report.black_value, report.white_value);
  ASSERT_FALSE(set(views.parameters, "polarity", "black-hot"));
  ASSERT_TRUE(fuse(*views.fuser, views.visible, output).ok());
  EXPECT_NEAR(views.fuser->report().black_celsius, 60, 1e-6);
  ASSERT_FALSE(set(views.parameters, "thermal-range", "auto"));
  ASSERT_FALSE(set(views.parameters, "gain-control", "full"));
  ASSERT_FALSE(set(views.parameters, "polarity", "white-hot"));
  ASSERT_TRUE(fuse(*views.fuser, views.visible, output).ok());
  EXPECT_EQ(views.fuser->report().white_value, 65535);
}

TEST(Views, ThePastIsForgottenWhileTheFusedPictureIsntShown) {
  Views views(layout_named("I420"));
  ASSERT_FALSE(set(views.parameters, "steadiness", "0.98"));
  TestImage first(layout_named("I420"), width, height), later(layout_named("I420"), width, height);
  const auto fuse = [&](const char* mode, const TestImage& output) {
    ASSERT_FALSE(set(views.parameters, "mode", mode));
    ASSERT_TRUE(views.fuser->configure(views.parameters).ok());
    const Image sources[] = {views.visible.image, views.infrared.image};
    ASSERT_TRUE(views.fuser->fuse(sources, 2, output.image).ok());
  };
  fuse("fused", first);
  views.visible.fill(77);
  fuse("fused", later);  // has a past
  fuse("infrared", later);
  views.visible.fill(1);
  fuse("fused", later);
  expect_equal(first, later);
}

TEST(Views, EveryMethodTellsItsWeights) {
  const TemporaryFolder folder;
  write_model_file(folder.path / "denoiser", tiny_denoiser());
  write_model_file(folder.path / "student", tiny_student());
  Views views(layout_named("I420"));
  for (const auto& [method, levels] :
       {std::pair{"guided", 2}, {"bandwise", 4}, {"amortised", 2}, {"gradient", 1}}) {
    SCOPED_TRACE(method);
    Parameters& p = views.parameters;
    for (const auto& [name, value] : {std::pair{"method", method}, {"steps", "6"}, {"interval", "3"}})
      ASSERT_FALSE(set(p, name, value));
    p.model = Path((folder.path / "denoiser").string());
    p.student = Path((folder.path / "student").string());
    const Status loaded = views.fuser->load(p, nullptr, nullptr);
    ASSERT_TRUE(loaded.ok()) << loaded.message;
    const auto output = views.show({{"mode", "gain"}});
    const FrameReport report = views.fuser->report();
    EXPECT_EQ(report.levels, levels);
    double mean = 0, shown = 0;
    for (int i = 0; i < report.levels; ++i) {
      EXPECT_GT(report.weight_mean[i], 0);
      EXPECT_LT(report.weight_mean[i], 1);
      mean += report.weight_mean[i] / report.levels;
    }
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) shown += output->get(0, x, y) / 255. / (width * height);
    EXPECT_NEAR(shown, mean, 0.003);
    // Where nothing is weighed both sources have their half.
    if (std::string(method) == "gradient") continue;
    ASSERT_FALSE(set(p, "distance", "none"));
    EXPECT_EQ(views.show({{"mode", "gain"}})->get(0, 3, 3), 128);
    ASSERT_FALSE(set(p, "distance", "l2"));
  }
}

}  // namespace
}  // namespace digfusion
