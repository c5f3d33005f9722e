// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/thermal.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/image/colour.h"
#include "core/image/luma.h"
#include "core/image/samples.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

constexpr int smallest_side = 16;  // what the fusion takes

bool crops(const ThermalSettings& s) {
  return s.crop_top != 0 || s.crop_bottom != 0 || s.crop_left != 0 || s.crop_right != 0;
}

/// What cropping leaves.
struct Kept {
  int width, height;
};
Kept kept_of(std::int64_t whole_width, std::int64_t whole_height, const ThermalSettings& s) {
  const std::int64_t width = whole_width - s.crop_left - s.crop_right;
  const std::int64_t height = whole_height - s.crop_top - s.crop_bottom;
  if (width < smallest_side || height < smallest_side)
    throw Error(ErrorCode::invalid_argument,
                "infrared picture: crop-top, crop-bottom, crop-left and crop-right leave " +
                    std::to_string(std::max<std::int64_t>(width, 0)) + "×" +
                    std::to_string(std::max<std::int64_t>(height, 0)) + " of its " +
                    std::to_string(whole_width) + "×" + std::to_string(whole_height) +
                    " pixels; leave at least 16×16");
  return {int(width), int(height)};
}

at::Tensor cropped(const at::Tensor& picture, const ThermalSettings& s) {
  if (!crops(s)) return picture;
  const Kept kept = kept_of(picture.size(3), picture.size(2), s);
  return picture.narrow(2, s.crop_top, kept.height).narrow(3, s.crop_left, kept.width).contiguous();
}

Histogram histogram_of(const at::Tensor& values) {
  Histogram histogram(raw_values);
  const float* value = values.const_data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) ++histogram[static_cast<std::size_t>(value[i])];
  return histogram;
}

/// Of a raw picture's samples where they are.
Histogram histogram_of(const Image& image) {
  const Component& component = image.component[0];
  const Plane& plane = image.plane[component.plane];
  // Neighbours are mostly alike, and a counter that was just written is slow to read: two sets in turns.
  Histogram histogram(raw_values), second(raw_values);
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* at = plane.data + y * plane.stride + component.offset;
    const auto next = [&] {
      const int word = image.big_endian ? at[0] << 8 | at[1] : at[1] << 8 | at[0];
      at += component.pixel_stride;
      return static_cast<std::size_t>(word >> component.shift);
    };
    int x = 0;
    for (; x + 2 <= image.width; x += 2) {
      ++histogram[next()];
      ++second[next()];
    }
    if (x < image.width) ++histogram[next()];
  }
  for (std::size_t v = 0; v < histogram.size(); ++v) histogram[v] += second[v];
  return histogram;
}

at::Tensor through(const Curve& curve, const at::Tensor& values) {
  at::Tensor gray = at::empty_like(values);
  const float* value = values.const_data_ptr<float>();
  float* out = gray.data_ptr<float>();
  at::parallel_for(0, values.numel(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = curve[static_cast<std::size_t>(value[i])];
  });
  return gray;
}

/// What read_luma() makes of them.
at::Tensor over_full_range(const at::Tensor& values, const Image& image) {
  const Scale scale = scale_of(image.component[0].depth, image.range);
  const double gain = 2 / (scale.white - scale.black);
  return values.mul(gain).add_(-1 - scale.black * gain).clamp_(-1, 1);
}

}  // namespace

ThermalSettings::ThermalSettings(const Parameters& p)
    : gain_control(p.gain_control),
      range(std::get<ThermalRange>(parse_thermal_range(p.thermal_range.view()))),
      radiometry(std::get<Radiometry>(parse_radiometry(p.radiometry.view()))),
      crop_top(p.crop_top),
      crop_bottom(p.crop_bottom),
      crop_left(p.crop_left),
      crop_right(p.crop_right),
      dead_pixels(p.dead_pixels),
      polarity(p.polarity),
      adaptation(p.adaptation) {}

bool is_raw(const Image& image) {
  return !image.is_rgb && image.components == 1 && image.component[0].depth > 8;
}

at::Tensor read_values(const Image& image) {
  at::Tensor values = at::empty({1, 1, image.height, image.width}, at::kFloat);
  float* const out = values.data_ptr<float>();
  const int shift = image.component[0].shift;
  for_rows(image, [&](std::int64_t y) {
    float* row = out + y * image.width;
    with_sample_type(image, [&](auto sample) {
      const Row<decltype(sample)> samples(image, 0, y);
      if (!image.big_endian) {
        for (std::int64_t x = 0; x < image.width; ++x) row[x] = static_cast<float>(samples.get(x));
        return;
      }
      const Plane& plane = image.plane[image.component[0].plane];
      const std::uint8_t* at = plane.data + y * plane.stride + image.component[0].offset;
      for (std::int64_t x = 0; x < image.width; ++x, at += image.component[0].pixel_stride)
        row[x] = static_cast<float>((at[0] << 8 | at[1]) >> shift);
    });
  });
  return values;
}

Image cropped(const Image& image, const ThermalSettings& s) {
  const Kept kept = crops(s) ? kept_of(image.width, image.height, s) : Kept{image.width, image.height};
  Image result = image;
  result.width = kept.width;
  result.height = kept.height;
  result.planes = 0;
  std::size_t row_bytes[std::size(image.plane)] = {};
  std::ptrdiff_t skipped[std::size(image.plane)] = {};
  for (int c = 0; c < (image.is_rgb ? 3 : 1); ++c) {
    const Component& component = image.component[c];
    const auto p = std::size_t(component.plane);
    const int bytes = component.depth + component.shift > 8 ? 2 : 1;
    const auto used = std::size_t(component.offset) +
                      std::size_t(kept.width - 1) * std::size_t(component.pixel_stride) + std::size_t(bytes);
    row_bytes[p] = std::max(row_bytes[p], used);
    skipped[p] = std::ptrdiff_t(s.crop_left) * component.pixel_stride;
    result.planes = std::max(result.planes, component.plane + 1);
  }
  for (int p = 0; p < result.planes; ++p) {
    Plane& plane = result.plane[p];
    plane.data += s.crop_top * plane.stride + skipped[p];
    plane.row_bytes = row_bytes[p];
    plane.rows = row_bytes[p] == 0 ? 0 : kept.height;
  }
  return result;
}

template <class MakeHistogram>
const Curve* ThermalSource::curve_for(const MakeHistogram& histogram, const Image& image,
                                      const ThermalSettings& s) {
  if (s.range.unit != ThermalRange::Unit::automatic) {
    gain_ = {};
    const auto value = [&](double end) {
      return s.range.unit == ThermalRange::Unit::celsius ? s.radiometry.raw(end) : end;
    };
    display_range_ = DisplayRange{value(s.range.low), value(s.range.high)};
    return &curve_of_range(s);
  }
  if (s.gain_control == GainControl::full) {
    gain_ = {};
    const Scale scale = scale_of(image.component[0].depth, image.range);
    display_range_ = DisplayRange{scale.black, scale.white};
    return nullptr;
  }
  const Curve& curve = gain_.follow(histogram(), s.gain_control, s.adaptation);
  display_range_ = DisplayRange{gain_.limits().low, gain_.limits().high};
  return &curve;
}

const Curve& ThermalSource::curve_of_range(const ThermalSettings& s) {
  if (!range_ || range_->range != s.range || range_->radiometry != s.radiometry)
    range_ = std::make_shared<const RangeCurve>(
        RangeCurve{s.range, s.radiometry, range_curve(s.range, s.radiometry)});
  return range_->curve;
}

template <class MakePicture>
bool ThermalSource::is_black_hot(const MakePicture& picture, bool raw, const ThermalSettings& s) {
  if (s.polarity == Polarity::automatic && !raw) return polarity_.is_black_hot(picture(), s.adaptation);
  polarity_ = {};
  return s.polarity == Polarity::black_hot;
}

at::Tensor ThermalSource::read(const Image& image, const ThermalSettings& s, bool rgb) {
  const bool raw = is_raw(image);
  at::Tensor picture = cropped(raw ? read_values(image) : rgb ? read_rgb(image) : read_luma(image), s);
  if (s.dead_pixels == DeadPixels::correct && picture.size(1) == 1)
    picture = dead_pixels_.correct(picture);
  else
    dead_pixels_ = {};
  values_ = raw ? picture : at::Tensor();
  display_range_.reset();
  if (raw) {
    const Curve* curve = curve_for([&] { return histogram_of(picture); }, image, s);
    picture = curve ? through(*curve, picture) : over_full_range(picture, image);
  }
  if (is_black_hot([&] { return picture.mean(1, true); }, raw, s)) {
    picture = picture.neg();
    if (display_range_) std::swap(display_range_->black, display_range_->white);
  }
  return raw && rgb ? picture.expand({1, 3, -1, -1}).contiguous() : picture;
}

bool looks_at_samples(const Image& image, const ThermalSettings& s) {
  if (!is_raw(image)) return s.polarity == Polarity::automatic;
  return s.range.unit == ThermalRange::Unit::automatic && s.gain_control != GainControl::full;
}

SampleRule ThermalSource::follow(const Image& image, const ThermalSettings& s) {
  const bool raw = is_raw(image);
  dead_pixels_ = {};
  values_ = at::Tensor();
  display_range_.reset();
  SampleRule rule;
  if (raw) {
    const Curve* curve = curve_for([&] { return histogram_of(image); }, image, s);
    if (curve) rule.curve = curve->data();
  }
  rule.negative = is_black_hot([&] { return read_luma(image); }, raw, s);
  if (rule.negative && display_range_) std::swap(display_range_->black, display_range_->white);
  return rule;
}

at::Tensor hot_pixels(const at::Tensor& values, const Highlight& highlight, const Radiometry& radiometry) {
  Curve is_hot(raw_values);
  for (int v = 0; v < raw_values; ++v) {
    const double value = highlight.unit == Highlight::Unit::celsius ? radiometry.celsius(v) : v;
    is_hot[static_cast<std::size_t>(v)] = value >= highlight.above ? 1 : 0;
  }
  return through(is_hot, values);
}

}  // namespace digfusion
