// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/view.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <opencv2/imgproc.hpp>
#include <utility>
#include <variant>
#include <vector>

#include "core/image/colour.h"
#include "core/image/luma.h"
#include "core/image/palette.h"
#include "core/image/samples.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

struct Pair {
  Panel first, second;
};

Pair pair_of(Compare compare) {
  switch (compare) {
    case Compare::visible_fused:
      return {Panel::visible, Panel::fused};
    case Compare::infrared_fused:
      return {Panel::infrared, Panel::fused};
    case Compare::visible_infrared:
      break;
  }
  return {Panel::visible, Panel::infrared};
}

/// Both alike where there is one alone.
Pair pair_of(const Parameters& p) {
  switch (p.mode) {
    case View::fused:
      return {Panel::fused, Panel::fused};
    case View::visible:
      return {Panel::visible, Panel::visible};
    case View::infrared:
      return {Panel::infrared, Panel::infrared};
    case View::gain:
      return {Panel::gain, Panel::gain};
    case View::split:
    case View::checker:
    case View::side_by_side:
    case View::picture_in_picture:
      break;
  }
  return pair_of(p.compare);
}

at::Tensor on_cpu(const at::Tensor& picture) { return picture.to(at::kCPU).contiguous(); }

/// BT.601's, as of an RGB picture.
at::Tensor luma_of(const at::Tensor& picture) {
  if (picture.size(1) == 1) return picture;
  const LumaCoefficients k = luma_coefficients(Matrix::rgb);
  return picture.select(1, 0) * k.r + picture.select(1, 1) * (1 - k.r - k.b) + picture.select(1, 2) * k.b;
}

at::Tensor infrared_luma(const Shown& shown) {
  const at::Tensor luma = luma_of(on_cpu(shown.infrared));
  return luma.view({1, 1, luma.size(-2), luma.size(-1)});
}

void write_gray(const Image& visible, const at::Tensor& gray, const Image& output) {
  write_rgb(visible, gray.expand({1, 3, -1, -1}), output);
}

void write_highlight(const Shown& shown, const Image& output) {
  if (!shown.hot.defined()) return;
  at::Tensor colour = at::empty({1, 3, 1, 1}, at::kFloat);
  for (std::size_t c = 0; c < 3; ++c)
    colour.data_ptr<float>()[c] = static_cast<float>(signal_colour[c]) / 127.5f - 1;
  tint(output, colour.expand({1, 3, output.height, output.width}), on_cpu(shown.hot), /*keep_luma=*/false);
}

void write_infrared(const Shown& shown, Palette palette, const Image& output) {
  if (palette != Palette::none)
    write_rgb(*shown.visible, palette_colours(infrared_luma(shown), palette), output);
  else if (shown.infrared.size(1) == 1)
    write_gray(*shown.visible, shown.infrared, output);
  else
    write_rgb(*shown.visible, shown.infrared, output);
  write_highlight(shown, output);
}

void write_fused_panel(const Shown& shown, Palette palette, const Image& output) {
  (shown.fused.size(1) == 1 ? write_fused : write_rgb)(*shown.visible, shown.fused, output);
  if (palette != Palette::none) {
    const at::Tensor infrared = infrared_luma(shown);
    tint(output, palette_chroma(infrared, palette), prominence(infrared), /*keep_luma=*/true);
  }
  write_highlight(shown, output);
}

void write_panel(Panel panel, const Shown& shown, Palette palette, const Image& output) {
  switch (panel) {
    case Panel::visible:
      return copy_planes(*shown.visible, output, 0);
    case Panel::infrared:
      return write_infrared(shown, palette, output);
    case Panel::fused:
      return write_fused_panel(shown, palette, output);
    case Panel::gain:
      return write_gray(*shown.visible, shown.gain * 2 - 1, output);
  }
}

/// A picture's samples, a matrix (CV_16U) for each component.
using Samples = std::vector<cv::Mat>;

/// How many samples of a component a place has that reaches so far.
cv::Size samples_to(const Component& component, int x, int y) {
  const auto samples = [](int pixels, int sub) { return (pixels + (1 << sub) - 1) >> sub; };
  return {samples(x, component.w_sub), samples(y, component.h_sub)};
}
cv::Size size_of(const Image& image, int component) {
  return samples_to(image.component[component], image.width, image.height);
}

template <class Function>
void for_samples(const Image& image, const Function& function) {
  for (int c = 0; c < image.components; ++c)
    with_sample_type(image, [&](auto sample) {
      const cv::Size size = size_of(image, c);
      at::parallel_for(0, size.height, 64, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t y = begin; y < end; ++y)
          function(c, size.width, Row<decltype(sample)>(image, c, y), static_cast<int>(y));
      });
    });
}

Samples unpacked(const Image& image) {
  Samples samples(static_cast<std::size_t>(image.components));
  for (int c = 0; c < image.components; ++c)
    samples[static_cast<std::size_t>(c)].create(size_of(image, c), CV_16U);
  for_samples(image, [&](int c, int columns, const auto& row, int y) {
    auto* to = samples[static_cast<std::size_t>(c)].ptr<std::uint16_t>(y);
    for (int x = 0; x < columns; ++x) to[x] = static_cast<std::uint16_t>(row.get(x));
  });
  return samples;
}

/// Bytes that hold no sample are zero after it.
void pack(const Samples& samples, const Image& image) {
  for (int p = 0; p < image.planes; ++p)
    for (int y = 0; y < image.plane[p].rows; ++y)
      std::memset(image.plane[p].data + y * image.plane[p].stride, 0, image.plane[p].row_bytes);
  for_samples(image, [&](int c, int columns, const auto& row, int y) {
    const auto* from = samples[static_cast<std::size_t>(c)].template ptr<std::uint16_t>(y);
    for (int x = 0; x < columns; ++x) row.set(x, from[x]);
  });
}

/// Memory for a picture of another one's layout.
class Scratch {
 public:
  explicit Scratch(const Image& like) : image_(like) {
    for (int p = 0; p < like.planes; ++p) {
      const Plane& plane = like.plane[p];
      memory_.emplace_back(plane.row_bytes * static_cast<std::size_t>(plane.rows));
      image_.plane[p].data = memory_.back().data();
      image_.plane[p].stride = static_cast<std::ptrdiff_t>(plane.row_bytes);
    }
  }
  const Image& image() const { return image_; }

 private:
  Image image_;
  std::vector<std::vector<std::uint8_t>> memory_;
};

Samples panel_samples(Panel panel, const Shown& shown, Palette palette) {
  if (panel == Panel::visible) return unpacked(*shown.visible);
  const Scratch scratch(*shown.visible);
  write_panel(panel, shown, palette, scratch.image());
  return unpacked(scratch.image());
}

/// Puts two pictures together.
class Composer {
 public:
  Composer(const Image& visible, const ViewLayout& layout, Samples first, const Samples& second)
      : visible_(visible), layout_(layout), result_(std::move(first)), second_(second) {}

  Samples split() && {
    take(layout_.left, 0, visible_.width - layout_.left, visible_.height);
    return std::move(result_);
  }

  Samples checker() && {
    const int wide = layout_.wide, high = layout_.high;
    for (int y = 0, row = 0; y < visible_.height; y += high, ++row)
      for (int x = row % 2 == 0 ? wide : 0; x < visible_.width; x += 2 * wide)
        take(x, y, std::min(wide, visible_.width - x), std::min(high, visible_.height - y));
    return std::move(result_);
  }

  Samples beside() && {
    for (int c = 0; c < visible_.components; ++c) {
      cv::Mat& first = result_[static_cast<std::size_t>(c)];
      const cv::Mat& second = second_[static_cast<std::size_t>(c)];
      const int block = 1 << visible_.component[c].w_sub;
      cv::Mat both;
      if (visible_.width % block == 0)
        cv::hconcat(first, second, both);
      else
        both = beside_odd(first, second, visible_.component[c]);
      first = both;
    }
    return std::move(result_);
  }

  Samples corner() && {
    for (int c = 0; c < visible_.components; ++c) {
      const cv::Rect where = on_component(c, layout_.left, 0, layout_.wide, layout_.high);
      cv::Mat small;
      cv::resize(second_[static_cast<std::size_t>(c)], small, where.size(), 0, 0, cv::INTER_AREA);
      small.copyTo(result_[static_cast<std::size_t>(c)](where));
    }
    return std::move(result_);
  }

 private:
  /// Where the second picture doesn't begin with a block: each sample is the mean of its block's pixels, of
  /// which one may be the first picture's.
  cv::Mat beside_odd(const cv::Mat& first, const cv::Mat& second, const Component& component) const {
    const int sub = component.w_sub, width = visible_.width, block = 1 << sub;
    cv::Mat both(first.rows, samples_to(component, 2 * width, 0).width, CV_16U);
    for (int y = 0; y < both.rows; ++y) {
      const auto *left = first.ptr<std::uint16_t>(y), *right = second.ptr<std::uint16_t>(y);
      auto* to = both.ptr<std::uint16_t>(y);
      for (int x = 0; x < both.cols; ++x) {
        const int begin = x << sub, end = std::min(begin + block, 2 * width);
        int sum = 0;
        for (int pixel = begin; pixel < end; ++pixel)
          sum += pixel < width ? left[pixel >> sub] : right[(pixel - width) >> sub];
        to[x] = static_cast<std::uint16_t>((sum + (end - begin) / 2) / (end - begin));
      }
    }
    return both;
  }

  cv::Rect on_component(int component, int x, int y, int width, int height) const {
    const Component& c = visible_.component[component];
    const cv::Point corner(x >> c.w_sub, y >> c.h_sub);
    return {corner, samples_to(c, x + width, y + height) - cv::Size(corner)};
  }

  /// Takes a part from the second picture.
  void take(int x, int y, int width, int height) {
    if (width <= 0 || height <= 0) return;
    for (int c = 0; c < visible_.components; ++c) {
      const cv::Rect where = on_component(c, x, y, width, height);
      second_[static_cast<std::size_t>(c)](where).copyTo(result_[static_cast<std::size_t>(c)](where));
    }
  }

  const Image& visible_;
  const ViewLayout& layout_;
  Samples result_;
  const Samples& second_;
};

Samples composed(Arrangement arrangement, Composer&& composer) {
  switch (arrangement) {
    case Arrangement::split:
      return std::move(composer).split();
    case Arrangement::checker:
      return std::move(composer).checker();
    case Arrangement::beside:
      return std::move(composer).beside();
    default:
      return std::move(composer).corner();
  }
}

}  // namespace

ViewNeeds needs_of(const Parameters& p) {
  const Pair pair = pair_of(p);
  const auto shows = [&](Panel panel) { return pair.first == panel || pair.second == panel; };
  const bool fused = shows(Panel::fused) || shows(Panel::gain);
  return {fused || shows(Panel::infrared), fused};
}

ViewLayout layout_of(const Parameters& p, const Image& visible) {
  int block_x = 1, block_y = 1;
  for (int c = 0; c < visible.components; ++c) {
    block_x = std::max(block_x, 1 << visible.component[c].w_sub);
    block_y = std::max(block_y, 1 << visible.component[c].h_sub);
  }
  const auto whole = [](long pixels, int block) { return static_cast<int>(pixels / block * block); };
  const auto size = [&](ViewLayout& layout, int width, int height) {
    layout.wide = std::max(block_x, whole(width, block_x));
    layout.high = std::max(block_y, whole(height, block_y));
  };
  const Pair pair = pair_of(p);
  ViewLayout layout{.arrangement = Arrangement::one, .first = pair.first, .second = pair.second};
  switch (p.mode) {
    case View::split: {
      layout.arrangement = Arrangement::split;
      const long at = std::lround(p.split_position * visible.width);
      layout.left = at < visible.width ? whole(at, block_x) : visible.width;
      break;
    }
    case View::checker: {
      layout.arrangement = Arrangement::checker;
      const int side = std::min(visible.width, visible.height) / 8;
      size(layout, side, side);
      break;
    }
    case View::side_by_side:
      layout.arrangement = Arrangement::beside;
      break;
    case View::picture_in_picture:
      layout.arrangement = Arrangement::corner;
      size(layout, visible.width / 3, visible.height / 3);
      layout.left = whole(visible.width - layout.wide, block_x);
      break;
    case View::fused:
    case View::visible:
    case View::infrared:
    case View::gain:
      break;
  }
  return layout;
}

Highlight highlight_of(const Parameters& p) {
  return std::get<Highlight>(parse_highlight(p.highlight_above.view()));
}

void check_colours(const Parameters& p, const Image& output) {
  const char* const parameter = coloured_by(p);
  if (parameter && output.components < 3) throw Error(ErrorCode::invalid_argument, gray_refusal(parameter));
}

void write_view(const Shown& shown, const Parameters& p, const Image& output) {
  const ViewLayout layout = layout_of(p, *shown.visible);
  if (layout.arrangement == Arrangement::one) return write_panel(layout.first, shown, p.palette, output);
  const Samples second = panel_samples(layout.second, shown, p.palette);
  pack(composed(layout.arrangement,
                Composer(*shown.visible, layout, panel_samples(layout.first, shown, p.palette), second)),
       output);
}

at::Tensor coordinates(std::int64_t height, std::int64_t width) {
  at::Tensor picture = at::ones({1, 3, height, width}, at::kFloat);
  picture.select(1, 0).copy_(at::arange(width, at::kFloat));
  picture.select(1, 1).copy_(at::arange(height, at::kFloat).unsqueeze(1));
  return picture;
}

at::Tensor take_nearest(const at::Tensor& picture, const at::Tensor& placed) {
  const at::Tensor from = on_cpu(picture), places = on_cpu(placed);
  const std::int64_t height = from.size(2), width = from.size(3), pixels = places.size(2) * places.size(3);
  at::Tensor result = at::zeros({1, 1, places.size(2), places.size(3)}, at::kFloat);
  const float *samples = from.const_data_ptr<float>(), *place = places.const_data_ptr<float>();
  float* out = result.data_ptr<float>();
  const auto nearest = [](float at, std::int64_t size) {
    return std::clamp<std::int64_t>(std::lround(at), 0, size - 1);
  };
  for (std::int64_t i = 0; i < pixels; ++i) {
    const float share = place[2 * pixels + i];  // of the picture, where it is faded in
    if (share < .5f) continue;
    const std::int64_t x = nearest(place[i] / share, width), y = nearest(place[pixels + i] / share, height);
    out[i] = samples[y * width + x];
  }
  return result;
}

}  // namespace digfusion
