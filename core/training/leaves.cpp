// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/training/leaves.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <opencv2/imgproc.hpp>
#include <string>

#include "core/diffusion/seed.h"

namespace digfusion {
namespace {

constexpr int texture_size = 512;
constexpr double pi = std::numbers::pi;

cv::RNG generator_for(std::uint64_t seed, std::uint64_t number) {
  return cv::RNG(mix_seed(seed * 0x9e3779b97f4a7c15ULL + number + 0x632be59bd9b4e019ULL) | 1);
}

void normalise(cv::Mat& m) {
  cv::Scalar mean, deviation;
  cv::meanStdDev(m, mean, deviation);
  m = (m - mean[0]) / std::max(deviation[0], 1e-6);
}

/// Noise octaves from coarse to fine whose amplitudes fall by `gain` each; `stretch` makes them directional.
cv::Mat fractal_texture(cv::RNG& rng, double gain, double stretch) {
  cv::Mat sum = cv::Mat::zeros(texture_size, texture_size, CV_32F);
  double amplitude = 1;
  for (int cells = 8; cells <= texture_size; cells *= 2, amplitude *= gain) {
    cv::Mat octave(std::max(2, int(cells / stretch)), cells, CV_32F);
    rng.fill(octave, cv::RNG::NORMAL, 0, 1);
    cv::resize(octave, octave, sum.size(), 0, 0, cv::INTER_CUBIC);
    sum += amplitude * octave;
  }
  normalise(sum);
  return sum;
}

/// Rows of bricks or tiles, each of its own tone, with joints between.
cv::Mat brick_texture(cv::RNG& rng) {
  cv::Mat m(texture_size, texture_size, CV_32F, cv::Scalar(-1.5));
  const int height = rng.uniform(6, 24), width = int(height * rng.uniform(1.0, 3.0)),
            joint = rng.uniform(1, 3);
  for (int row = 0, y = 0; y < m.rows; ++row, y += height)
    for (int x = (row % 2) * width / 2 - width; x < m.cols; x += width)
      cv::rectangle(m, {x, y}, {x + width - 1 - joint, y + height - 1 - joint}, cv::Scalar(rng.gaussian(0.5)),
                    cv::FILLED);
  normalise(m);
  return m;
}

double log_uniform(cv::RNG& rng, double low, double high) {
  return low * std::exp(rng.uniform(0.0, 1.0) * std::log(high / low));
}

using Outline = std::vector<cv::Point>;

/// A closed outline in 1/16 pixels around a centre: smooth blob, polygon, box, or strip.
Outline outline(cv::RNG& rng, cv::Point2d centre, double radius) {
  std::vector<cv::Point2d> points;
  const double turn = rng.uniform(0.0, 2 * pi);
  const int kind = rng.uniform(0, 10);
  if (kind < 3) {  // ellipse with low-frequency dents
    const double aspect = log_uniform(rng, 0.4, 1.0), dent = rng.uniform(0.0, 0.25),
                 phase = rng.uniform(0.0, 2 * pi);
    const int lobes = rng.uniform(2, 6);
    const int n = std::clamp(int(radius), 12, 64);
    for (int i = 0; i < n; ++i) {
      const double a = 2 * pi * i / n, r = radius * (1 + dent * std::cos(lobes * a + phase));
      points.emplace_back(r * std::cos(a), r * aspect * std::sin(a));
    }
  } else if (kind < 5) {  // polygon
    const int n = rng.uniform(3, 9);
    for (int i = 0; i < n; ++i) {
      const double a = 2 * pi * (i + rng.uniform(-0.3, 0.3)) / n, r = radius * rng.uniform(0.5, 1.0);
      points.emplace_back(r * std::cos(a), r * std::sin(a));
    }
  } else {  // box, or a thin strip such as a pole, a wire, a branch
    const double thin = kind < 8 ? log_uniform(rng, 0.25, 1.0) : log_uniform(rng, 0.01, 0.15);
    const double half = std::max(radius * thin, 0.7);
    points = {{-radius, -half}, {radius, -half}, {radius, half}, {-radius, half}};
  }
  // Half of the boxes stand upright, as what people build does.
  const double angle = kind >= 5 && rng.uniform(0, 2) ? (rng.uniform(0, 2) * pi / 2) : turn;
  const double c = std::cos(angle), s = std::sin(angle);
  Outline result;
  for (const cv::Point2d& p : points)
    result.emplace_back(cvRound(16 * (centre.x + c * p.x - s * p.y)),
                        cvRound(16 * (centre.y + s * p.x + c * p.y)));
  return result;
}

}  // namespace

LeavesGenerator::LeavesGenerator(std::uint64_t seed) : seed_(seed) {
  cv::RNG rng = generator_for(seed, ~std::uint64_t{0});
  for (int i = 0; i < 10; ++i)
    textures_.push_back(
        fractal_texture(rng, rng.uniform(0.4, 1.05), i % 3 == 2 ? log_uniform(rng, 2, 12) : 1.0));
  for (int i = 0; i < 4; ++i) textures_.push_back(brick_texture(rng));
}

cv::Mat LeavesGenerator::picture(std::uint64_t number, int size) const {
  cv::RNG rng = generator_for(seed_, number);
  const int canvas = 2 * size;  // drawn at twice the size: reduction smooths the edges
  cv::Mat luma(canvas, canvas, CV_32F, cv::Scalar(rng.uniform(0.1, 0.9)));
  cv::Mat mask(canvas, canvas, CV_8U), stripe_row;

  // Fills `mask` within `box` with a tone, a shading, and a texture or stripes.
  const auto paint = [&](cv::Rect box, double tone, double contrast) {
    box &= cv::Rect(0, 0, canvas, canvas);
    if (box.empty()) return;
    const double slope = rng.uniform(0.0, 0.3) / std::max(box.width, box.height),
                 direction = rng.uniform(0.0, 2 * pi);
    const float gx = float(slope * std::cos(direction)), gy = float(slope * std::sin(direction));
    const double roughness = rng.uniform(0, 6) ? log_uniform(rng, 0.01, 0.2) * contrast : 0.0;
    const cv::Mat& texture = textures_[std::size_t(rng.uniform(0, int(textures_.size())))];
    const int ox = rng.uniform(0, texture_size), oy = rng.uniform(0, texture_size);
    const bool fine = rng.uniform(0, 2) == 1;
    const bool striped = rng.uniform(0, 12) == 0;
    const double period = log_uniform(rng, 4, 40),
                 stripe_angle = rng.uniform(0, 2) ? rng.uniform(0.0, pi) : rng.uniform(0, 2) * pi / 2;
    const float wx = float(2 * pi / period * std::cos(stripe_angle)),
                wy = float(2 * pi / period * std::sin(stripe_angle));
    const float stripe = striped ? float(rng.uniform(0.03, 0.4)) : 0.f;
    const bool square_stripe = rng.uniform(0, 2) == 1;
    for (int y = box.y; y < box.y + box.height; ++y) {
      float* out = luma.ptr<float>(y);
      const std::uint8_t* in = mask.ptr<std::uint8_t>(y);
      const float* t = texture.ptr<float>(((fine ? y : y / 2) + oy) % texture_size);
      for (int x = box.x; x < box.x + box.width; ++x) {
        if (!in[x]) continue;
        float v = float(tone) + gx * float(x - box.x) + gy * float(y - box.y);
        v += float(roughness) * t[((fine ? x : x / 2) + ox) % texture_size];
        if (striped) {
          const float wave = std::sin(wx * float(x) + wy * float(y));
          v += stripe * (square_stripe ? (wave > 0 ? 1.f : -1.f) : wave);
        }
        out[x] = v;
      }
    }
    mask(box).setTo(0);
  };

  const double contrast = log_uniform(rng, 0.3, 1.6);
  mask.setTo(255);
  paint({0, 0, canvas, canvas}, rng.uniform(0.1, 0.9), contrast);
  mask.setTo(0);
  const auto paint_shape = [&](cv::Point2d centre, double radius, double tone) {
    const Outline shape = outline(rng, centre, radius);
    cv::fillPoly(mask, std::vector<Outline>{shape}, cv::Scalar(255), cv::LINE_8, 4);
    cv::Rect box = cv::boundingRect(shape);
    box = {box.x / 16 - 2, box.y / 16 - 2, box.width / 16 + 5, box.height / 16 + 5};
    paint(box, tone, contrast);
  };
  const double smallest = log_uniform(rng, 3, 24), largest = canvas * rng.uniform(0.15, 0.7);
  const int shapes = int(log_uniform(rng, 100, 1600));
  const int defocus_at = rng.uniform(0, 3) == 0 ? rng.uniform(shapes / 2, shapes) : -1;
  for (int i = 0; i < shapes; ++i) {
    if (i == defocus_at) cv::GaussianBlur(luma, luma, {}, log_uniform(rng, 1.5, 8));
    // Density r^-3 within the limits: the scale-invariant choice.
    const double u = rng.uniform(0.0, 1.0);
    const double radius = 1 / std::sqrt(u / (largest * largest) + (1 - u) / (smallest * smallest));
    const cv::Point2d centre(rng.uniform(0.0, double(canvas)), rng.uniform(0.0, double(canvas)));
    if (rng.uniform(0, 25) == 0) {
      std::string text;
      for (int n = rng.uniform(1, 8); n > 0; --n) text += char(rng.uniform('0', 'z' + 1));
      const double scale = std::clamp(radius / 12, 0.4, 6.0);
      const int thickness = 1 + int(scale * rng.uniform(0.5, 2.5)), font = rng.uniform(0, 8);
      int baseline = 0;
      const cv::Size extent = cv::getTextSize(text, font, scale, thickness, &baseline);
      const cv::Point origin(int(centre.x) - extent.width / 2, int(centre.y));
      cv::putText(mask, text, origin, font, scale, cv::Scalar(255), thickness);
      paint({origin.x - thickness - 8, origin.y - extent.height - thickness - 8,
             extent.width + 2 * thickness + 16, extent.height + baseline + 2 * thickness + 16},
            rng.uniform(0.0, 1.0), contrast);
      mask.setTo(0);  // some fonts reach beyond the extent that OpenCV states
      continue;
    }
    const double tone = rng.uniform(0.0, 1.0);
    if (rng.uniform(0, 60) == 0) {  // foliage, gravel, a crowd: many small things of like tone
      const double spread = std::min(2 * radius + 20, canvas / 3.0), grain = log_uniform(rng, 2, 8);
      for (int n = rng.uniform(40, 250); n > 0; --n)
        paint_shape({centre.x + rng.gaussian(spread / 2), centre.y + rng.gaussian(spread / 2)},
                    grain * log_uniform(rng, 0.6, 1.8), std::clamp(tone + rng.gaussian(0.15), 0.0, 1.0));
      continue;
    }
    paint_shape(centre, radius, tone);
  }

  // A surface structure over all, light that falls off smoothly, a soft lens, and the camera's contrast.
  if (rng.uniform(0, 2)) {
    const cv::Mat& texture = textures_[std::size_t(rng.uniform(0, 10))];
    cv::Mat over(canvas, canvas, CV_32F);
    const int ox = rng.uniform(0, texture_size), oy = rng.uniform(0, texture_size);
    const float strength = float(log_uniform(rng, 0.01, 0.08));
    for (int y = 0; y < canvas; ++y)
      for (int x = 0; x < canvas; ++x)
        over.at<float>(y, x) =
            1 + strength * texture.at<float>((y + oy) % texture_size, (x + ox) % texture_size);
    luma = luma.mul(over);
  }
  if (rng.uniform(0, 2)) {
    cv::Mat light(3, 3, CV_32F);
    rng.fill(light, cv::RNG::UNIFORM, 0.4, 1.1);
    cv::resize(light, light, luma.size(), 0, 0, cv::INTER_CUBIC);
    luma = luma.mul(light);
  }
  const int softness = rng.uniform(0, 4);
  if (softness)
    cv::GaussianBlur(luma, luma, {}, softness == 3 ? log_uniform(rng, 1.5, 6) : rng.uniform(0.5, 2.0));
  cv::resize(luma, luma, {size, size}, 0, 0, cv::INTER_AREA);
  // Grain, as real pictures have it: mostly correlated between neighbours, often along the rows alone.
  // Without it a denoiser takes the finest structure of a photograph for noise.
  if (rng.uniform(0, 3)) {
    cv::Mat grain(size, size, CV_32F);
    rng.fill(grain, cv::RNG::NORMAL, 0, 1);
    const double along = rng.uniform(0, 4) ? rng.uniform(0.3, 1.3) : 0.0;
    const double across = rng.uniform(0, 3) ? along : 0.0;
    const auto taps = [](double sigma) { return sigma > 0 ? 2 * int(3 * sigma + 1) + 1 : 1; };
    cv::GaussianBlur(grain, grain, {taps(along), taps(across)}, std::max(along, 0.01),
                     std::max(across, 0.01));
    normalise(grain);
    luma += log_uniform(rng, 0.4, 7) / 255 * grain;
  }
  const double gain = log_uniform(rng, 0.4, 1.1), offset = rng.uniform(-0.3, 0.3);
  cv::Mat result;
  luma.convertTo(result, CV_8U, 255 * gain, 255 * (0.5 - 0.5 * gain + offset * 0.6));
  return result;
}

}  // namespace digfusion
