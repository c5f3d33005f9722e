// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/palette.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <opencv2/imgproc.hpp>
#include <span>
#include <vector>

namespace digfusion {
namespace {

struct Node {
  double at;  ///< 0..1
  Rgb colour;
};

// The iron bow of thermal cameras.
constexpr Node iron[] = {{0.00, {0, 0, 0}},      {0.15, {36, 0, 96}},   {0.35, {130, 0, 150}},
                         {0.55, {220, 40, 60}},  {0.72, {250, 120, 0}}, {0.88, {255, 215, 50}},
                         {1.00, {255, 255, 255}}};
constexpr Node arctic[] = {{0.00, {0, 30, 120}},
                           {0.25, {30, 130, 220}},
                           {0.50, {128, 128, 128}},
                           {0.75, {230, 140, 30}},
                           {1.00, {255, 190, 60}}};

PaletteTable between(std::span<const Node> nodes) {
  PaletteTable table;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const double at = static_cast<double>(i) / 255;
    const auto above =
        std::find_if(nodes.begin() + 1, nodes.end() - 1, [=](const Node& node) { return node.at >= at; });
    const Node &low = above[-1], &high = above[0];
    for (std::size_t c = 0; c < 3; ++c)
      table[i][c] = static_cast<std::uint8_t>(
          std::lround(std::lerp(low.colour[c], high.colour[c], (at - low.at) / (high.at - low.at))));
  }
  return table;
}

PaletteTable of_opencv(cv::ColormapTypes map) {
  std::vector<std::uint8_t> ramp(256);
  std::iota(ramp.begin(), ramp.end(), std::uint8_t{0});
  cv::Mat bgr;
  cv::applyColorMap(cv::Mat(1, 256, CV_8U, ramp.data()), bgr, map);
  PaletteTable table;
  for (int i = 0; i < 256; ++i) {
    const auto& colour = bgr.at<cv::Vec3b>(0, i);
    table[static_cast<std::size_t>(i)] = {colour[2], colour[1], colour[0]};
  }
  return table;
}

at::Tensor looked_up(const at::Tensor& gray, const PaletteTable& table, double part) {
  const at::Tensor values = gray.contiguous();
  const std::int64_t pixels = values.numel();
  at::Tensor colours = at::empty({1, 3, gray.size(2), gray.size(3)}, values.options());
  const float* from = values.const_data_ptr<float>();
  float* to = colours.data_ptr<float>();
  const float scale = static_cast<float>(127.5 * part);
  at::parallel_for(0, pixels, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float at = std::clamp((from[i] + 1) * scale, 0.f, 255.f);
      const auto low = static_cast<std::size_t>(std::min(at, 254.f));
      const float share = at - static_cast<float>(low);
      for (std::size_t c = 0; c < 3; ++c)
        to[static_cast<std::int64_t>(c) * pixels + i] =
            std::lerp(float(table[low][c]), float(table[low + 1][c]), share) / 127.5f - 1;
    }
  });
  return colours;
}

}  // namespace

const PaletteTable& palette_table(Palette palette) {
  static const PaletteTable lava = of_opencv(cv::COLORMAP_HOT), rainbow = of_opencv(cv::COLORMAP_JET),
                            turbo = of_opencv(cv::COLORMAP_TURBO), own_iron = between(iron),
                            own_arctic = between(arctic);
  switch (palette) {
    case Palette::lava:
      return lava;
    case Palette::rainbow:
      return rainbow;
    case Palette::turbo:
      return turbo;
    case Palette::arctic:
      return own_arctic;
    case Palette::iron:
    case Palette::none:
      break;
  }
  return own_iron;
}

double last_colour(Palette palette) {
  switch (palette) {
    case Palette::iron:
      return 0.8;
    case Palette::lava:
      return 0.7;
    default:
      return 1;
  }
}

at::Tensor palette_colours(const at::Tensor& gray, Palette palette) {
  return looked_up(gray, palette_table(palette), 1);
}

at::Tensor palette_chroma(const at::Tensor& gray, Palette palette) {
  return looked_up(gray, palette_table(palette), last_colour(palette));
}

SurroundingsGrid surroundings_grid(int width, int height) {
  constexpr double coarse = 32;  // so wide a Gaussian misses nothing there
  const double shrink = std::max(1.0, std::min(height, width) / coarse);
  return {static_cast<int>(std::lround(width / shrink)), static_cast<int>(std::lround(height / shrink))};
}

at::Tensor prominence(const at::Tensor& infrared) {
  const at::Tensor values = infrared.contiguous();
  const int height = static_cast<int>(values.size(2)), width = static_cast<int>(values.size(3));
  const cv::Mat picture(height, width, CV_32F, const_cast<float*>(values.const_data_ptr<float>()));
  const SurroundingsGrid size = surroundings_grid(width, height);
  const cv::Size grid(size.width, size.height);
  cv::Mat around;
  cv::resize(picture, around, grid, 0, 0, cv::INTER_AREA);
  cv::GaussianBlur(around, around, {}, std::min(grid.width, grid.height) / 4.0, 0, cv::BORDER_REFLECT);
  cv::resize(around, around, picture.size(), 0, 0, cv::INTER_LINEAR);

  at::Tensor share = at::empty_like(values);
  const float* value = values.const_data_ptr<float>();
  const float* surroundings = around.ptr<float>();  // resize() gives a matrix of its own, without gaps
  float* out = share.data_ptr<float>();
  at::parallel_for(0, values.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float above = std::min(value[i], value[i] - surroundings[i]);
      const float t = std::clamp((above - .2f) / .4f, 0.f, 1.f);
      out[i] = t * t * (3 - 2 * t);
    }
  });
  return share;
}

}  // namespace digfusion
