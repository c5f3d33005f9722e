// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pictures side by side, against a twin that computes every pixel from the pictures' formulas: content is
// smooth, so that it doesn't matter which filter scales it, only where it lands.
#include "pipelines/common/layout.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {
namespace {

using Colour = std::array<double, 3>;  ///< R, G, B in 0..255
/// A picture as a formula of the place in it, 0..1 each way.
using Formula = std::function<Colour(double, double)>;

Colour ramp_right(double x, double) { return {40 + 170 * x, 40 + 170 * x, 40 + 170 * x}; }
Colour ramp_down(double, double y) { return {220 - 170 * y, 220 - 170 * y, 220 - 170 * y}; }
Colour red(double, double) { return {200, 30, 40}; }

struct Picture {
  GstVideoFormat format;
  int width, height;
  Formula formula;
  int par_n = 1, par_d = 1;
};

/// Limited-range BT.601, as small Y'CbCr pictures have it by default.
Colour yuv_of(const Colour& c) {
  const double y = 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
  return {16 + 219 * y / 255, 128 + 224 * (c[2] - y) / 1.772 / 255, 128 + 224 * (c[0] - y) / 1.402 / 255};
}

/// The value of a component, in 0..255.
double component(const GstVideoInfo& info, unsigned index, const Colour& colour) {
  if (GST_VIDEO_INFO_IS_YUV(&info)) return yuv_of(colour)[index];
  return colour[index];
}

Frame make(const Picture& picture, GstClockTime time = GST_SECOND) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, picture.format, picture.width, picture.height);
  info.par_n = picture.par_n;
  info.par_d = picture.par_d;
  info.fps_n = 25;
  const MiniPtr<GstBuffer> buffer(gst_buffer_new_allocate(nullptr, info.size, nullptr));
  GstVideoFrame frame;
  gst_buffer_memset(buffer.get(), 0, 0x2b, info.size);  // bytes that mean nothing
  EXPECT_TRUE(gst_video_frame_map(&frame, &info, buffer.get(), GST_MAP_WRITE));
  for (unsigned c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS(&frame) && c < 3; ++c) {
    const int width = GST_VIDEO_FRAME_COMP_WIDTH(&frame, c), height = GST_VIDEO_FRAME_COMP_HEIGHT(&frame, c);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        auto* place = static_cast<guint8*>(GST_VIDEO_FRAME_COMP_DATA(&frame, c)) +
                      y * GST_VIDEO_FRAME_COMP_STRIDE(&frame, c) +
                      x * GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, c);
        const double value = component(info, c, picture.formula((x + 0.5) / width, (y + 0.5) / height));
        if (GST_VIDEO_FRAME_COMP_DEPTH(&frame, c) == 16)
          GST_WRITE_UINT16_LE(place, guint16(std::lround(value * 257)));
        else
          *place = guint8(std::lround(value));
      }
  }
  gst_video_frame_unmap(&frame);
  GST_BUFFER_PTS(buffer.get()) = time;
  const MiniPtr<GstCaps> caps(gst_video_info_to_caps(&info));
  return Frame(buffer.get(), caps.get());
}

/// What the twin expects: places in order, and what is drawn there (nothing: black).
struct Part {
  int width;
  Formula formula;
};

void expect_picture(const Frame& frame, const std::vector<Part>& parts, int height) {
  const GstVideoInfo info = frame.info();
  ASSERT_EQ(GST_VIDEO_INFO_FORMAT(&info), GST_VIDEO_FORMAT_BGRA);
  ASSERT_EQ(info.height, height);
  EXPECT_EQ(info.par_n, info.par_d);
  int width = 0;
  for (const Part& part : parts) width += part.width;
  ASSERT_EQ(info.width, width);
  GstVideoFrame mapped;
  ASSERT_TRUE(gst_video_frame_map(&mapped, &info, frame.buffer(), GST_MAP_READ));
  int x0 = 0, wrong = 0;
  for (const Part& part : parts) {
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < part.width; ++x) {
        const auto* pixel = static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&mapped, 0)) +
                            y * GST_VIDEO_FRAME_PLANE_STRIDE(&mapped, 0) + 4 * (x0 + x);
        const Colour expected =
            part.formula ? part.formula((x + 0.5) / part.width, (y + 0.5) / height) : Colour{0, 0, 0};
        // Enlarged, filters repeat the last sample at the borders: up to a step of the source there.
        const double tolerance = part.formula ? 7 : 0;
        bool good = pixel[3] == 255;
        for (int c = 0; c < 3; ++c) good = good && std::abs(pixel[2 - c] - expected[c]) <= tolerance;
        if (!good && ++wrong == 1)
          ADD_FAILURE() << "at " << x0 + x << "," << y << ": B,G,R,A " << int(pixel[0]) << " "
                        << int(pixel[1]) << " " << int(pixel[2]) << " " << int(pixel[3])
                        << ", expected R,G,B " << expected[0] << " " << expected[1] << " " << expected[2];
      }
    x0 += part.width;
  }
  gst_video_frame_unmap(&mapped);
  EXPECT_EQ(wrong, 0) << "pixels";
}

class LayoutTest : public testing::Test {
 protected:
  LayoutTest() { gst_init(nullptr, nullptr); }
  Layout layout_{Bounds{.min_height = 1, .max_width = 4000}};

  Frame arrange(const std::vector<Frame>& frames) { return layout_.arrange(frames); }
};

TEST_F(LayoutTest, ScalesEachToTheFirstOnesHeight) {
  const Frame frame = arrange({make({GST_VIDEO_FORMAT_I420, 160, 120, ramp_right}),
                               make({GST_VIDEO_FORMAT_GRAY8, 80, 64, ramp_down}),
                               make({GST_VIDEO_FORMAT_NV12, 320, 240, red})});
  expect_picture(frame, {{160, ramp_right}, {150, ramp_down}, {160, red}}, 120);
  EXPECT_EQ(frame.time(), GST_SECOND);
  EXPECT_EQ(frame.info().fps_n, 25);
}

TEST_F(LayoutTest, TakesEveryFormatThatCamerasHave) {
  for (const GstVideoFormat format :
       {GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_UYVY,
        GST_VIDEO_FORMAT_GRAY8, GST_VIDEO_FORMAT_GRAY16_LE, GST_VIDEO_FORMAT_RGB, GST_VIDEO_FORMAT_BGRx,
        GST_VIDEO_FORMAT_Y42B}) {
    SCOPED_TRACE(gst_video_format_to_string(format));
    Layout layout(Bounds{.min_height = 1, .max_width = 4000});
    const std::vector<Frame> frames = {make({format, 96, 64, ramp_right})};
    expect_picture(layout.arrange(frames), {{96, ramp_right}}, 64);
  }
}

TEST_F(LayoutTest, OddSizesFillTheirPlaces) {
  expect_picture(arrange({make({GST_VIDEO_FORMAT_I420, 101, 75, ramp_down}),
                          make({GST_VIDEO_FORMAT_GRAY8, 33, 17, ramp_right}),
                          make({GST_VIDEO_FORMAT_RGB, 63, 51, ramp_right})}),
                 {{101, ramp_down}, {146, ramp_right}, {93, ramp_right}}, 75);
}

TEST_F(LayoutTest, PixelsThatAreNotSquareBecomeSquare) {
  expect_picture(arrange({make({GST_VIDEO_FORMAT_I420, 90, 72, ramp_right, 16, 15})}), {{96, ramp_right}},
                 72);
}

TEST_F(LayoutTest, AMissingPictureLeavesItsPlaceBlack) {
  const Frame wide = make({GST_VIDEO_FORMAT_GRAY8, 200, 100, ramp_right});
  const Frame square = make({GST_VIDEO_FORMAT_GRAY8, 50, 50, ramp_down});
  // Never there: as wide as the first that is.
  expect_picture(arrange({Frame(), square, Frame()}), {{50, {}}, {50, ramp_down}, {50, {}}}, 50);
  expect_picture(arrange({wide, square, wide}), {{200, ramp_right}, {100, ramp_down}, {200, ramp_right}},
                 100);
  // Was there: its place stays as it was.
  expect_picture(arrange({wide, Frame(), wide}), {{200, ramp_right}, {100, {}}, {200, ramp_right}}, 100);
  expect_picture(arrange({Frame(), square, Frame()}), {{100, {}}, {50, ramp_down}, {100, {}}}, 50);
}

TEST_F(LayoutTest, WithoutAnyPictureItIsBlackAndKeepsItsSize) {
  expect_picture(arrange({Frame()}), {{640, {}}}, 480);
  arrange({make({GST_VIDEO_FORMAT_GRAY8, 48, 32, ramp_right})});
  const Frame black = arrange({Frame()});
  expect_picture(black, {{48, {}}}, 32);
  EXPECT_FALSE(GST_CLOCK_TIME_IS_VALID(black.time()));
}

TEST_F(LayoutTest, AChangeOfSizeOrFormatIsFollowed) {
  expect_picture(arrange({make({GST_VIDEO_FORMAT_GRAY8, 40, 30, ramp_right})}), {{40, ramp_right}}, 30);
  expect_picture(arrange({make({GST_VIDEO_FORMAT_I420, 40, 30, red})}), {{40, red}}, 30);
  expect_picture(arrange({make({GST_VIDEO_FORMAT_I420, 80, 30, ramp_down})}), {{80, ramp_down}}, 30);
}

TEST_F(LayoutTest, SmallPicturesAreEnlargedForTheTextsAndLargeOnesFitTheWidth) {
  Layout enlarging(Bounds{.min_height = 96, .max_width = 4000});
  const std::vector<Frame> small = {make({GST_VIDEO_FORMAT_GRAY8, 64, 48, ramp_right}),
                                    make({GST_VIDEO_FORMAT_GRAY8, 48, 48, ramp_down})};
  expect_picture(enlarging.arrange(small), {{128, ramp_right}, {96, ramp_down}}, 96);
  EXPECT_DOUBLE_EQ(enlarging.middle(0), 64.0 / 224);
  EXPECT_DOUBLE_EQ(enlarging.middle(1), 176.0 / 224);

  Layout shrinking(Bounds{.min_height = 96, .max_width = 112});
  expect_picture(shrinking.arrange(small), {{64, ramp_right}, {48, ramp_down}}, 48);
}

TEST_F(LayoutTest, InterlacedPicturesAreTakenAsTheyAre) {
  const Frame plain = make({GST_VIDEO_FORMAT_I420, 64, 48, ramp_right});
  const MiniPtr<GstCaps> caps(gst_caps_copy(plain.caps()));
  gst_caps_set_simple(caps.get(), "interlace-mode", G_TYPE_STRING, "interleaved", nullptr);
  expect_picture(arrange({Frame(plain.buffer(), caps.get())}), {{64, ramp_right}}, 48);
}

TEST_F(LayoutTest, ABufferThatIsTooSmallIsSaid) {
  const Frame good = make({GST_VIDEO_FORMAT_GRAY8, 64, 48, red});
  const MiniPtr<GstBuffer> tiny(gst_buffer_new_allocate(nullptr, 10, nullptr));
  EXPECT_THROW(arrange({Frame(tiny.get(), good.caps())}), Failure);
}

TEST(ViewTest, NicksFindTheirViews) {
  for (const ViewInfo& view : view_table()) EXPECT_EQ(find_view(view.nick), view.value);
  EXPECT_EQ(find_view("side-by-side"), View::side_by_side);
  EXPECT_EQ(find_view("fuse"), std::nullopt);
}

}  // namespace
}  // namespace digfusion::pipelines
