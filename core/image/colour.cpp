// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/colour.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/image/samples.h"

namespace digfusion {
namespace {

using Colour = std::array<double, 3>;

/// Y', Cb, Cr on 0..1, ±.5, ±.5 → R', G', B', and back (ITU-R BT.601, BT.709, …: one form, two coefficients).
Colour to_rgb(const Colour& ycc, const LumaCoefficients& k) {
  const double r = ycc[0] + 2 * (1 - k.r) * ycc[2], b = ycc[0] + 2 * (1 - k.b) * ycc[1];
  return {r, (ycc[0] - k.r * r - k.b * b) / (1 - k.r - k.b), b};
}
double luma_of(const Colour& rgb, const LumaCoefficients& k) {
  return k.r * rgb[0] + (1 - k.r - k.b) * rgb[1] + k.b * rgb[2];
}
Colour to_ycc(const Colour& rgb, const LumaCoefficients& k) {
  const double y = luma_of(rgb, k);
  return {y, (rgb[2] - y) / (2 * (1 - k.b)), (rgb[0] - y) / (2 * (1 - k.r))};
}

int sample_of(double value, int largest) {
  return std::clamp(static_cast<int>(std::lrint(value)), 0, largest);
}

template <class Sample>
void read(const Image& image, float* out) {
  const Scale scale = scale_of(image.component[0].depth, image.range);
  const ChromaScale chroma = chroma_scale(image.component[0].depth, image.range);
  const LumaCoefficients k = luma_coefficients(image.matrix);
  const std::int64_t plane = std::int64_t{image.width} * image.height;
  const bool is_gray = image.components < 3;
  for_rows(image, [&](std::int64_t y) {
    const auto row = [&](int c) {
      return Row<Sample>(image, c, image.is_rgb ? y : y >> image.component[c].h_sub);
    };
    const Row<Sample> first = row(0), second = row(is_gray ? 0 : 1), third = row(is_gray ? 0 : 2);
    const auto of_black = [&](int sample) { return (sample - scale.black) / (scale.white - scale.black); };
    for (std::int64_t x = 0; x < image.width; ++x) {
      Colour rgb;
      if (image.is_rgb) {
        rgb = {of_black(first.get(x)), of_black(second.get(x)), of_black(third.get(x))};
      } else if (is_gray) {
        rgb.fill(of_black(first.get(x)));
      } else {
        const auto of_neutral = [&](const Row<Sample>& samples, int c) {
          return (samples.get(x >> image.component[c].w_sub) - chroma.neutral) / (2 * chroma.half);
        };
        rgb = to_rgb({of_black(first.get(x)), of_neutral(second, 1), of_neutral(third, 2)}, k);
      }
      for (int c = 0; c < 3; ++c)
        out[c * plane + y * image.width + x] =
            static_cast<float>(std::clamp(2 * rgb[static_cast<std::size_t>(c)] - 1, -1.0, 1.0));
    }
  });
}

/// A fused picture's colours at a pixel, on 0..1.
class Fused {
 public:
  Fused(const float* values, const Image& image)
      : values_(values), width_(image.width), plane_(std::int64_t{image.width} * image.height) {}
  Colour at(std::int64_t x, std::int64_t y) const {
    const float* here = values_ + y * width_ + x;
    return {(here[0] + 1) / 2.0, (here[plane_] + 1) / 2.0, (here[2 * plane_] + 1) / 2.0};
  }

 private:
  const float* values_;
  std::int64_t width_, plane_;
};

/// Component 1 or 2 of a Y'CbCr picture, each sample the mean of its block.
template <class Sample>
void write_chroma(const Image& output, int component, const Fused& fused) {
  const Component& c = output.component[component];
  const ChromaScale scale = chroma_scale(output.component[0].depth, output.range);
  const int largest = (1 << c.depth) - 1;
  const LumaCoefficients k = luma_coefficients(output.matrix);
  const std::int64_t wide = std::int64_t{1} << c.w_sub, high = std::int64_t{1} << c.h_sub;
  for (std::int64_t top = 0, row = 0; top < output.height; top += high, ++row) {
    const Row<Sample> out(output, component, row);
    for (std::int64_t left = 0, column = 0; left < output.width; left += wide, ++column) {
      double sum = 0;
      int count = 0;
      for (std::int64_t y = top; y < std::min<std::int64_t>(top + high, output.height); ++y)
        for (std::int64_t x = left; x < std::min<std::int64_t>(left + wide, output.width); ++x, ++count)
          sum += to_ycc(fused.at(x, y), k)[static_cast<std::size_t>(component)];
      out.set(column, sample_of(scale.neutral + 2 * scale.half * sum / count, largest));
    }
  }
}

template <class Sample>
void write(const Image& output, const Fused& fused) {
  const Scale scale = scale_of(output.component[0].depth, output.range);
  const LumaCoefficients k = luma_coefficients(output.matrix);
  const auto from_black = [&](double value) {
    return sample_of(scale.black + value * (scale.white - scale.black), scale.largest);
  };
  for_rows(output, [&](std::int64_t y) {
    const Row<Sample> first(output, 0, y);
    if (!output.is_rgb) {
      for (std::int64_t x = 0; x < output.width; ++x) first.set(x, from_black(luma_of(fused.at(x, y), k)));
      return;
    }
    const Row<Sample> rows[3] = {first, {output, 1, y}, {output, 2, y}};
    for (std::int64_t x = 0; x < output.width; ++x) {
      const Colour rgb = fused.at(x, y);
      for (std::size_t c = 0; c < 3; ++c) rows[c].set(x, from_black(rgb[c]));
    }
  });
  if (output.is_rgb || output.components < 3) return;
  for (const int component : {1, 2}) write_chroma<Sample>(output, component, fused);
}

/// What tint() mixes in at a pixel.
struct Mixed {
  Fused colours;
  const float* share;
  std::int64_t width;
  double share_at(std::int64_t x, std::int64_t y) const { return share[y * width + x]; }
};

template <class Sample>
void tint_chroma(const Image& picture, int component, const Mixed& mixed) {
  const Component& c = picture.component[component];
  const ChromaScale scale = chroma_scale(picture.component[0].depth, picture.range);
  const LumaCoefficients k = luma_coefficients(picture.matrix);
  const std::int64_t wide = std::int64_t{1} << c.w_sub, high = std::int64_t{1} << c.h_sub;
  const std::int64_t rows = (picture.height + high - 1) >> c.h_sub;
  at::parallel_for(0, rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const Row<Sample> samples(picture, component, row);
      const std::int64_t bottom = std::min<std::int64_t>((row + 1) * high, picture.height);
      for (std::int64_t left = 0, column = 0; left < picture.width; left += wide, ++column) {
        double sum = 0, share = 0;
        int count = 0;
        for (std::int64_t y = row * high; y < bottom; ++y)
          for (std::int64_t x = left; x < std::min<std::int64_t>(left + wide, picture.width); ++x, ++count)
            if (const double here = mixed.share_at(x, y); here > 0) {
              sum += here * to_ycc(mixed.colours.at(x, y), k)[static_cast<std::size_t>(component)];
              share += here;
            }
        if (share == 0) continue;
        samples.set(column, sample_of(std::lerp(double(samples.get(column)), scale.neutral, share / count) +
                                          2 * scale.half * sum / count,
                                      (1 << c.depth) - 1));
      }
    }
  });
}

template <class Sample>
void tint_pixels(const Image& picture, const Mixed& mixed, bool keep_luma) {
  const Scale scale = scale_of(picture.component[0].depth, picture.range);
  const LumaCoefficients k = luma_coefficients(picture.matrix);
  const auto of_black = [&](int sample) { return (sample - scale.black) / (scale.white - scale.black); };
  const auto from_black = [&](double value) {
    return sample_of(scale.black + value * (scale.white - scale.black), scale.largest);
  };
  for_rows(picture, [&](std::int64_t y) {
    const Row<Sample> first(picture, 0, y), second(picture, picture.is_rgb ? 1 : 0, y),
        third(picture, picture.is_rgb ? 2 : 0, y);
    for (std::int64_t x = 0; x < picture.width; ++x) {
      const double share = mixed.share_at(x, y);
      if (!(share > 0)) continue;
      Colour colour = mixed.colours.at(x, y);
      if (!picture.is_rgb) {
        first.set(x, from_black(std::lerp(of_black(first.get(x)), luma_of(colour, k), share)));
        continue;
      }
      const Colour now = {of_black(first.get(x)), of_black(second.get(x)), of_black(third.get(x))};
      const double lift = keep_luma ? luma_of(now, k) - luma_of(colour, k) : 0;
      int c = 0;
      for (const Row<Sample>* row : {&first, &second, &third}) {
        const auto i = static_cast<std::size_t>(c++);
        row->set(x, from_black(std::lerp(now[i], colour[i] + lift, share)));
      }
    }
  });
}

}  // namespace

at::Tensor read_rgb(const Image& image) {
  at::Tensor rgb = at::empty({1, 3, image.height, image.width}, at::kFloat);
  with_sample_type(image, [&](auto sample) { read<decltype(sample)>(image, rgb.data_ptr<float>()); });
  return rgb;
}

void write_rgb(const Image& visible, const at::Tensor& fused, const Image& output) {
  copy_planes(visible, output, visible.is_rgb ? 0 : std::min(visible.components, 3));
  const at::Tensor values = fused.to(at::kCPU).contiguous();
  with_sample_type(visible, [&](auto sample) {
    write<decltype(sample)>(output, Fused(values.data_ptr<float>(), output));
  });
}

void tint(const Image& picture, const at::Tensor& colours, const at::Tensor& share, bool keep_luma) {
  const at::Tensor values = colours.contiguous(), shares = share.contiguous();
  const Mixed mixed{Fused(values.const_data_ptr<float>(), picture), shares.const_data_ptr<float>(),
                    picture.width};
  with_sample_type(picture, [&](auto sample) {
    using Sample = decltype(sample);
    if (picture.is_rgb || !keep_luma) tint_pixels<Sample>(picture, mixed, keep_luma);
    if (picture.is_rgb || picture.components < 3) return;
    for (const int component : {1, 2}) tint_chroma<Sample>(picture, component, mixed);
  });
}

}  // namespace digfusion
