// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An infrared camera's pictures as the fusion wants them: without telemetry rows and dead pixels, raw values
// brought to -1..1 with usable contrast, what is warm bright.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>

#include "core/image/dead_pixels.h"
#include "core/image/gain_control.h"
#include "core/image/polarity.h"
#include "core/interface/interface.h"

namespace digfusion {

/// What the parameters say of infrared pictures.
struct ThermalSettings {
  GainControl gain_control;
  ThermalRange range;
  Radiometry radiometry;
  int crop_top, crop_bottom, crop_left, crop_right;
  DeadPixels dead_pixels;
  Polarity polarity;
  double adaptation;

  /// Of parameters that check() accepts.
  explicit ThermalSettings(const Parameters& parameters);
};

/// The values that are shown black and white, whichever is higher.
struct DisplayRange {
  double black, white;
};

/// Whether a picture holds a thermal camera's values, which gain control brings to gray: one component of
/// more than 8 bits. All others are gray already.
bool is_raw(const Image& image);

/// The samples of the first component [1,1,H,W] float32 as they are, 0..65535, on the CPU.
at::Tensor read_values(const Image& image);

/// What kernels do to each sample of a picture, as it is, to get read()'s numbers.
struct SampleRule {
  const float* curve =
      nullptr;            ///< raw_values numbers on -1..1; null: the samples' whole range, as read_luma()
  bool negative = false;  ///< what is warm is dark: the sign is changed
};

/// The picture without what `settings` crop, in the same memory, with the planes alone that luma is made of:
/// its chroma is of no use. Error(invalid_argument) when cropping leaves less than 16×16.
Image cropped(const Image& image, const ThermalSettings& settings);

/// Whether follow() looks at the samples of such a picture.
bool looks_at_samples(const Image& image, const ThermalSettings& settings);

/// One infrared source of a stream. A value: a copy has the same past, and neither changes the other's.
class ThermalSource {
 public:
  /// The next picture, which check_image() accepts → [1,C,H,W] float32 on -1..1, C = 3 for `rgb`, H and W
  /// without what is cropped. Dead pixels are corrected in raw pictures and luma, not in colour.
  /// Polarity `auto` looks at pictures that are gray already; raw values rise with warmth.
  /// Error(invalid_argument) when cropping leaves less than 16×16.
  at::Tensor read(const Image& image, const ThermalSettings& settings, bool rgb);

  /// read() of a cropped() picture, as far as it is a rule for samples: not with dead-pixels=correct. In the
  /// host's memory, where it looks at them. The curve is there until the next picture.
  SampleRule follow(const Image& image, const ThermalSettings& settings);

  /// Of the last picture, where it was a raw one that was read: its values [1,1,H,W] without what is cropped,
  /// dead pixels corrected if they are. Undefined otherwise.
  const at::Tensor& values() const { return values_; }
  /// Of the last picture, where it was a raw one; by gain-control=plateau, the ends of its curve.
  const std::optional<DisplayRange>& display_range() const { return display_range_; }

 private:
  /// From raw values to gray; null where that is the samples' whole range. And keeps what gray stands for.
  template <class MakeHistogram>
  const Curve* curve_for(const MakeHistogram& histogram, const Image& image, const ThermalSettings& settings);
  const Curve& curve_of_range(const ThermalSettings& settings);
  template <class MakePicture>
  bool is_black_hot(const MakePicture& picture, bool raw, const ThermalSettings& settings);

  struct RangeCurve {
    ThermalRange range;
    Radiometry radiometry;
    Curve curve;
  };

  GainFollower gain_;
  std::shared_ptr<const RangeCurve> range_;  // the last one asked for
  DeadPixelFilter dead_pixels_;
  PolarityWatch polarity_;
  at::Tensor values_;
  std::optional<DisplayRange> display_range_;
};

/// Where raw values [1,1,H,W] are at or above the highlight's threshold: 1, elsewhere 0.
at::Tensor hot_pixels(const at::Tensor& values, const Highlight& highlight, const Radiometry& radiometry);

}  // namespace digfusion
