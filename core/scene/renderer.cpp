// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/renderer.h"

#include <cmath>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>

#include "core/scene/noise.h"
#include "core/scene/street.h"

namespace digfusion::scene {
namespace {

enum View : std::uint32_t { visible_view = 0x51e5u, infrared_view = 0x12f4u };

std::uint32_t key_of(std::uint64_t seed) {
  return mix(static_cast<std::uint32_t>(seed) + mix(static_cast<std::uint32_t>(seed >> 32) + 0x5eedu));
}

/// Sensor noise of one row, about Gaussian (the sum of four bytes) with a standard deviation of 1.
void noise_row(std::uint32_t key, int y, int width, float* noise) {
  const std::uint32_t row = mix(key + static_cast<std::uint32_t>(y) * 0x9e3779b1u);
  for (int x = 0; x < width; ++x) {
    const std::uint32_t h = mix(row + static_cast<std::uint32_t>(x) * 0x85ebca77u);
    const auto sum = static_cast<std::int32_t>((h & 255) + ((h >> 8) & 255) + ((h >> 16) & 255) + (h >> 24));
    noise[x] = static_cast<float>(sum - 510) * (1 / 147.8f);
  }
}

std::uint32_t frame_key(std::uint32_t key, View view, std::int64_t n) {
  const auto frame = static_cast<std::uint64_t>(n);
  return mix(key + view +
             mix(static_cast<std::uint32_t>(frame) + mix(static_cast<std::uint32_t>(frame >> 32))));
}

/// Gaussian blur, edges repeated; the kernel adds up to 1.
void blur(Plane& plane, float sigma) {
  const int radius = static_cast<int>(std::ceil(2.5f * sigma));
  if (sigma < 0.2f || radius < 1) return;
  std::vector<float> kernel(static_cast<std::size_t>(radius) + 1);
  float total = 0;
  for (int i = 0; i <= radius; ++i) {
    kernel[i] = std::exp(-0.5f * static_cast<float>(i * i) / (sigma * sigma));
    total += i == 0 ? kernel[i] : 2 * kernel[i];
  }
  for (float& weight : kernel) weight /= total;

  const int width = plane.width, height = plane.height;
  std::vector<float> padded(static_cast<std::size_t>(width) + 2 * radius);
  for (int y = 0; y < height; ++y) {
    float* row = plane.row(y);
    std::fill_n(padded.begin(), radius, row[0]);
    std::copy_n(row, width, padded.begin() + radius);
    std::fill_n(padded.begin() + radius + width, radius, row[width - 1]);
    const float* middle = padded.data() + radius;
    for (int x = 0; x < width; ++x) row[x] = kernel[0] * middle[x];
    for (int i = 1; i <= radius; ++i)
      for (int x = 0; x < width; ++x) row[x] += kernel[i] * (middle[x - i] + middle[x + i]);
  }
  Plane source = plane;
  for (int y = 0; y < height; ++y) {
    float* row = plane.row(y);
    for (int x = 0; x < width; ++x) row[x] *= kernel[0];
    for (int i = 1; i <= radius; ++i) {
      const float* above = source.row(std::max(y - i, 0));
      const float* below = source.row(std::min(y + i, height - 1));
      for (int x = 0; x < width; ++x) row[x] += kernel[i] * (above[x] + below[x]);
    }
  }
}

/// Calls work(y) for every row, in several threads where the picture is large.
template <class Work>
void for_rows(const Grid& grid, Work work) {
  constexpr int pixels_worth_a_thread = 200'000;
  const int most = std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 8);
  const int threads = std::clamp(grid.width * grid.height / pixels_worth_a_thread, 1, most);
  const auto share = [&](int first) {
    for (int y = first; y < grid.height; y += threads) work(y);
  };
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(share, i);
  share(0);
}

}  // namespace

void add_sensor_noise(Pattern pattern, std::uint64_t seed, std::int64_t n, Plane& plane, float more_noise,
                      float column_noise) {
  const float own = look_of(pattern).thermal_noise;
  const float sigma = std::hypot(own, more_noise), column_sigma = std::hypot(0.3f * own, column_noise);
  const std::uint32_t key = frame_key(key_of(seed), infrared_view, n);
  std::vector<float> noise(plane.width), columns(plane.width);
  noise_row(key_of(seed) ^ infrared_view, 0, plane.width,
            columns.data());  // the bolometer's columns never quite agree
  for (int y = 0; y < plane.height; ++y) {
    noise_row(key, y, plane.width, noise.data());
    float* row = plane.row(y);
    for (int x = 0; x < plane.width; ++x)
      row[x] = std::clamp(row[x] + sigma * noise[x] + column_sigma * columns[x], 0.0f, 1.0f);
  }
}

Renderer::Renderer(Pattern pattern, std::uint64_t seed, int width, int height, int margin)
    : pattern_(pattern),
      seed_(seed),
      look_(look_of(pattern)),
      key_(key_of(seed)),
      grid_(Grid::of_size(std::max(width, 1), std::max(height, 1))
                .widened(std::clamp(margin, 0, maximum_size))),
      half_(grid_.halved()),
      atmosphere_(look_, key_) {
  if (std::min(width, height) < minimum_size || std::max(width, height) > maximum_size)
    throw std::invalid_argument("a scene of " + std::to_string(width) + "x" + std::to_string(height) +
                                " pixels; each side must be within " + std::to_string(minimum_size) + " to " +
                                std::to_string(maximum_size));
  if (margin < 0 || margin > maximum_size)
    throw std::invalid_argument("a scene's margin of " + std::to_string(margin) + " pixels");
  const Street street(look_, key_);
  glows_ = street.glows();
  for (Plane* plane : {&light_, &luma_, &heat_, &infrared_}) plane->resize(grid_.width, grid_.height);
  for_rows(grid_, [&](int y) {
    for (int x = 0; x < grid_.width; ++x) {
      const float u = grid_.u(x), v = grid_.v(y);
      const Material m = street.surface(u, v, grid_.step);
      const float light = street.light(u, v).level;
      light_.row(y)[x] = light;
      luma_.row(y)[x] = expose(m.luma * light + m.emission);
      heat_.row(y)[x] = m.heat;
      infrared_.row(y)[x] = radiance(m.ambient, m.heat);
    }
  });
  for (Plane* plane : {&half_light_, &half_warmth_, &half_cb_, &half_cr_})
    plane->resize(half_.width, half_.height);
  for_rows(half_, [&](int y) {
    for (int x = 0; x < half_.width; ++x) {
      const float u = half_.u(x), v = half_.v(y);
      const Material m = street.surface(u, v, half_.step);
      const Street::Light light = street.light(u, v);
      const float gain = chroma_gain(m, light.level);
      half_light_.row(y)[x] = light.level;
      half_warmth_.row(y)[x] = m.luma > 0 ? light.warmth : 0;
      half_cb_.row(y)[x] = m.cb * gain;
      half_cr_.row(y)[x] = m.cr * gain;
    }
  });
  const std::vector<Paint> fittings = street.fittings();
  paint_luma(grid_, fittings, light_, luma_);
  paint_heat(grid_, fittings, heat_);
  paint_radiance(grid_, fittings, infrared_);
  paint_chroma(half_, fittings, half_light_, half_cb_, half_cr_);
}

std::shared_ptr<const Renderer> Renderer::shared(Pattern pattern, std::uint64_t seed, int width, int height,
                                                 int margin) {
  using Key = std::tuple<Pattern, std::uint64_t, int, int, int>;
  // Never destroyed: an element may outlive this library's static objects at the process's end.
  static auto& mutex = *new std::mutex;
  static auto& known = *new std::map<Key, std::weak_ptr<const Renderer>>;
  const std::lock_guard lock(mutex);
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<const Renderer>& entry = known[Key(pattern, seed, width, height, margin)];
  std::shared_ptr<const Renderer> renderer = entry.lock();
  if (!renderer) entry = renderer = std::make_shared<const Renderer>(pattern, seed, width, height, margin);
  return renderer;
}

double Renderer::time(const Moment& moment) const { return look_.moving ? moment.seconds : 1.2; }

void Renderer::clean_visible(const Moment& moment, Plane& luma) const {
  luma = luma_;
  paint_luma(grid_, cast_at(look_, key_, time(moment)).paints, light_, luma);
}

void Renderer::heat(const Moment& moment, Plane& heat) const {
  heat = heat_;
  paint_heat(grid_, cast_at(look_, key_, time(moment)).paints, heat);
}

void Renderer::transmission(const Moment& moment, Plane& share) const {
  share.resize(grid_.width, grid_.height);
  const Veil veil = atmosphere_.transmission(grid_, time(moment));
  std::vector<float> offset(grid_.width);
  for (int y = 0; y < grid_.height; ++y) veil.row(y, share.row(y), offset.data());
}

void Renderer::ideal(const Moment& moment, Plane& luma) const {
  clean_visible(moment, luma);
  Plane hot;
  heat(moment, hot);
  for (std::size_t i = 0; i < luma.samples.size(); ++i)
    luma.samples[i] += ideal_heat_gain * hot.samples[i] * (1 - luma.samples[i]);
}

void Renderer::visible(const Moment& moment, Plane& luma) const { visible(moment, luma, nullptr, nullptr); }

void Renderer::visible(const Moment& moment, Plane& luma, Plane& cb, Plane& cr) const {
  visible(moment, luma, &cb, &cr);
}

void Renderer::visible(const Moment& moment, Plane& luma, Plane* cb, Plane* cr) const {
  const Cast cast = cast_at(look_, key_, time(moment));
  luma = luma_;
  paint_luma(grid_, cast.paints, light_, luma);
  std::vector<Glow> glows = glows_;
  glows.insert(glows.end(), cast.glows.begin(), cast.glows.end());
  std::vector<float> gain(grid_.width), offset(grid_.width), noise(grid_.width);

  if (cb) {
    *cb = half_cb_;
    *cr = half_cr_;
    paint_chroma(half_, cast.paints, half_light_, *cb, *cr);
    const Veil veil = atmosphere_.visible(half_, time(moment), glows);
    for (int y = 0; y < half_.height; ++y) {
      veil.row(y, gain.data(), offset.data());
      const float* full = luma.row(2 * y);
      const float* warmth = half_warmth_.row(y);
      float *b = cb->row(y), *r = cr->row(y);
      for (int x = 0; x < half_.width; ++x) {
        // Lamp light is orange, smoke a little brown, and what is nearly white has no room for colour.
        const float warm = 0.16f * warmth[x] * std::min(full[2 * x], 0.5f);
        const float room = look_.saturation * gain[x] * (1 - std::pow(full[2 * x], 6.0f));
        b[x] = std::clamp(room * (b[x] - warm) - 0.012f * offset[x], -0.5f, 0.5f);
        r[x] = std::clamp(room * (r[x] + 0.6f * warm) + 0.006f * offset[x], -0.5f, 0.5f);
      }
    }
  }

  const Veil veil = atmosphere_.visible(grid_, time(moment), glows);
  const std::uint32_t key = frame_key(key_, visible_view, moment.n);
  for (int y = 0; y < grid_.height; ++y) {
    veil.row(y, gain.data(), offset.data());
    noise_row(key, y, grid_.width, noise.data());
    float* row = luma.row(y);
    for (int x = 0; x < grid_.width; ++x) {
      const float seen = row[x] * gain[x] + offset[x];
      row[x] = std::clamp(seen + noise[x] * (look_.noise + look_.shot_noise * seen), 0.0f, 1.0f);
    }
  }
}

void Renderer::infrared(const Moment& moment, Plane& radiance) const {
  infrared_light(moment, radiance);
  add_sensor_noise(pattern_, seed_, moment.n, radiance);
}

void Renderer::infrared_light(const Moment& moment, Plane& radiance) const {
  radiance = infrared_;
  paint_radiance(grid_, cast_at(look_, key_, time(moment)).paints, radiance);
  blur(radiance, 0.0021f / grid_.step);
  const Veil veil = atmosphere_.infrared(grid_, time(moment));
  std::vector<float> gain(grid_.width), offset(grid_.width);
  for (int y = 0; y < grid_.height; ++y) {
    veil.row(y, gain.data(), offset.data());
    float* row = radiance.row(y);
    for (int x = 0; x < grid_.width; ++x) row[x] = row[x] * gain[x] + offset[x];
  }
}

}  // namespace digfusion::scene
