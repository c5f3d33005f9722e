// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/faults.h"

#include <cmath>
#include <numbers>

#include "core/scene/noise.h"

namespace digfusion::scene {
namespace {

constexpr double longest_jitter = 0.4;  // of a frame: stamps keep their order
constexpr double ppm = 1e-6;

/// Each kind of randomness has numbers of its own.
enum Salt : std::uint32_t {
  jitter_salt = 0x71773au,
  drop_salt = 0xd209u,
  dead_salt = 0xdeadu,
  data_salt = 0x7e1eu
};

std::uint32_t hash_of(std::uint64_t seed, std::int64_t n, Salt salt) {
  const auto frame = static_cast<std::uint64_t>(n);
  return mix(static_cast<std::uint32_t>(seed) + salt +
             mix(static_cast<std::uint32_t>(seed >> 32) + mix(static_cast<std::uint32_t>(frame) + salt +
                                                              mix(static_cast<std::uint32_t>(frame >> 32)))));
}

struct Turn {
  double cosine, sine;
  explicit Turn(double degrees)
      : cosine(std::cos(degrees * std::numbers::pi / 180)),
        sine(std::sin(degrees * std::numbers::pi / 180)) {}
};

/// How far outside of the picture the camera looks, in steps of 16 so that a small change of the faults needs
/// no new renderer.
int margin_of(const Faults& faults, int width, int height) {
  if (faults.offset_x == 0 && faults.offset_y == 0 && faults.rotation == 0) return 0;
  const Turn turn(faults.rotation);
  const double sine = std::abs(turn.sine), spread = 1 - turn.cosine;
  const double far_x = std::abs(faults.offset_x) + 0.5 * (sine * height + spread * width);
  const double far_y = std::abs(faults.offset_y) + 0.5 * (sine * width + spread * height);
  constexpr int step = 16, kernel = 2;
  return (static_cast<int>(std::max(far_x, far_y)) + kernel + step) / step * step;
}

/// Weights of the four samples around a place that lies `t` after the second: Catmull-Rom, which keeps edges
/// about as sharp as they are.
void cubic(float t, float weight[4]) {
  weight[0] = t * (-0.5f + t * (1 - 0.5f * t));
  weight[1] = 1 + t * t * (1.5f * t - 2.5f);
  weight[2] = t * (0.5f + t * (2 - 1.5f * t));
  weight[3] = t * t * (0.5f * t - 0.5f);
}

float sample(const Plane& plane, float x, float y) {
  const float left = std::floor(x), top = std::floor(y);
  float across[4], down[4];
  cubic(x - left, across);
  cubic(y - top, down);
  float sum = 0;
  for (int j = 0; j < 4; ++j) {
    const float* row = plane.row(std::clamp(static_cast<int>(top) - 1 + j, 0, plane.height - 1));
    float line = 0;
    for (int i = 0; i < 4; ++i)
      line += across[i] * row[std::clamp(static_cast<int>(left) - 1 + i, 0, plane.width - 1)];
    sum += down[j] * line;
  }
  return sum;
}

}  // namespace

std::int64_t taken_at(const Faults& faults, std::int64_t nominal) {
  // The product alone in floating point: nanoseconds stay exact for years.
  return nominal + std::llround(static_cast<double>(nominal) * faults.clock_drift * ppm);
}

std::int64_t nominal_of(const Faults& faults, std::int64_t taken) {
  const double slower = faults.clock_drift * ppm;
  return taken - std::llround(static_cast<double>(taken) * slower / (1 + slower));
}

std::int64_t stamp_of(const Faults& faults, std::uint64_t seed, std::int64_t n, std::int64_t nominal,
                      std::int64_t interval) {
  const double most =
      std::min(static_cast<double>(faults.jitter), longest_jitter * static_cast<double>(interval));
  const double error = (2.0 * unit(hash_of(seed, n, jitter_salt)) - 1) * most;
  return taken_at(faults, nominal) + faults.clock_offset + std::llround(error);
}

bool is_dropped(const Faults& faults, std::uint64_t seed, std::int64_t n) {
  return unit(hash_of(seed, n, drop_salt)) < faults.drops;
}

std::int64_t shown_in(const Faults& faults, std::int64_t n, std::int64_t nominal, std::int64_t interval) {
  if (interval <= 0) return n;
  std::int64_t shown = n;
  if (faults.shutter_interval > 0 && nominal >= faults.shutter_interval) {
    const std::int64_t closed = nominal % faults.shutter_interval;
    // The first frame with the shutter closed and those after it show the one before. A frame's rounded time
    // may lie just before a multiple of the interval.
    if (closed < faults.shutter_length) shown -= (closed + interval / 16) / interval + 1;
  }
  return shown + std::llround(static_cast<double>(shown) * faults.clock_drift * ppm);
}

FaultyCamera::FaultyCamera(Pattern pattern, std::uint64_t seed, int width, int height, const Faults& faults)
    : faults_(faults),
      width_(width),
      height_(height - faults.telemetry_rows),
      margin_(margin_of(faults, width, height_)),
      renderer_(Renderer::shared(pattern, seed, width_, height_, margin_)) {}

void FaultyCamera::look(const Moment& shown, Plane& plane) const {
  if (margin_ == 0) return renderer_->infrared_light(shown, plane);
  Plane wide;
  renderer_->infrared_light(shown, wide);
  plane.resize(width_, height_);
  const Turn turn(faults_.rotation);
  const double centre_x = 0.5 * (width_ - 1), centre_y = 0.5 * (height_ - 1);
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x) {
      const double dx = x - centre_x - faults_.offset_x, dy = y - centre_y - faults_.offset_y;
      plane.row(y)[x] =
          sample(wide, static_cast<float>(margin_ + centre_x + turn.cosine * dx + turn.sine * dy),
                 static_cast<float>(margin_ + centre_y - turn.sine * dx + turn.cosine * dy));
    }
}

void FaultyCamera::picture(std::int64_t n, const Moment& shown, Plane& plane) const {
  constexpr double levels = 255;
  const std::uint64_t seed = renderer_->seed();
  look(shown, plane);
  add_sensor_noise(renderer_->pattern(), seed, shown.n, plane, static_cast<float>(faults_.noise / levels),
                   static_cast<float>(faults_.column_noise / levels));
  if (faults_.kelvin) {
    constexpr float full_scale = 65535.0f / 100;
    for (float& value : plane.samples)
      value = (coldest_kelvin + (hottest_kelvin - coldest_kelvin) * value) / full_scale;
  }
  for (int i = 0; i < faults_.dead_pixels; ++i) {
    const std::uint32_t h = hash_of(seed, i, dead_salt);
    plane.samples[h % plane.samples.size()] = static_cast<float>(mix(h) & 1);
  }
  if (faults_.telemetry_rows == 0) return;
  plane.resize(width_, height_ + faults_.telemetry_rows);
  for (int y = height_; y < plane.height; ++y)
    for (int x = 0; x < width_; ++x)  // the frame's number in bits, then words that stay
      plane.row(y)[x] = x < 32 ? static_cast<float>(n >> x & 1)
                               : unit(hash_of(seed, std::int64_t{y} * width_ + x, data_salt));
}

}  // namespace digfusion::scene
