// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/frozenwatch.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace digfusion {
namespace {

// The infrared picture: telemetry rows count on while the sensor stands still, and take a few of the samples.
constexpr int infrared_columns = 64, infrared_rows = 48;
constexpr double same_share = 0.95;
constexpr int fewest_repeats = 2;

// The visible picture: in a block's mean of 64 samples the noise of a camera in the dark is below 2 of 255.
constexpr int block_columns = 16, block_rows = 12, block_samples = 8;
constexpr float clear_change = 12;  // of 255
constexpr int fewest_changed = 3;   // blocks
/// The light of a standing scene changes within hours, too.
constexpr std::int64_t longest_look = 2'000'000'000;

/// Luma, or green, of evenly spread places, row by row; each side at most as many as the picture has.
std::vector<std::uint16_t> samples_of(const Image& image, int columns, int rows) {
  const Component& component = image.component[image.is_rgb ? 1 : 0];
  const Plane& plane = image.plane[component.plane];
  std::vector<std::uint16_t> samples;
  samples.reserve(static_cast<std::size_t>(columns) * rows);
  for (int y = 0; y < rows; ++y) {
    const std::uint8_t* row =
        plane.data + (std::int64_t{2 * y + 1} * image.height / (2 * rows)) * plane.stride + component.offset;
    for (int x = 0; x < columns; ++x) {
      const std::uint8_t* at =
          row + (std::int64_t{2 * x + 1} * image.width / (2 * columns)) * component.pixel_stride;
      samples.push_back(
          component.depth > 8 ? static_cast<std::uint16_t>((at[0] | at[1] << 8) >> component.shift) : *at);
    }
  }
  return samples;
}

std::vector<float> block_means(const Image& image) {
  constexpr int columns = block_columns * block_samples, rows = block_rows * block_samples;
  const std::vector<std::uint16_t> samples = samples_of(image, columns, rows);
  const int depth = image.component[image.is_rgb ? 1 : 0].depth;
  const float scale = 255.0f / (static_cast<float>((1 << depth) - 1) * block_samples * block_samples);
  std::vector<float> means(block_columns * block_rows);
  for (int y = 0; y < rows; ++y)
    for (int x = 0; x < columns; ++x)
      means[y / block_samples * block_columns + x / block_samples] += scale * samples[y * columns + x];
  return means;
}

bool is_same(const std::vector<std::uint16_t>& a, const std::vector<std::uint16_t>& b) {
  if (a.size() != b.size()) return false;
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i];
  return static_cast<double>(equal) >= same_share * static_cast<double>(a.size());
}

bool has_moved(const std::vector<float>& before, const std::vector<float>& now) {
  std::vector<float> changes(now.size());
  for (std::size_t i = 0; i < now.size(); ++i) changes[i] = now[i] - before[i];
  std::vector<float> sorted = changes;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  const float exposure = *middle;
  return std::count_if(changes.begin(), changes.end(), [exposure](float change) {
           return std::abs(change - exposure) > clear_change;
         }) >= fewest_changed;
}

}  // namespace

bool FrozenWatch::look(const Source& visible, const Source& infrared, bool is_new, std::int64_t time,
                       std::int64_t after) {
  if (is_new) {
    const std::optional<Image> picture = infrared();
    if (!picture) return frozen_;
    std::vector<std::uint16_t> samples = samples_of(*picture, infrared_columns, infrared_rows);
    if (is_same(reference_, samples)) {
      if (repeats_ == 0) {  // not for every picture of a camera that runs
        const std::optional<Image> beside = visible();
        if (!beside) return frozen_;
        visible_then_ = block_means(*beside);
        visible_since_ = time;
      }
      ++repeats_;
    } else {
      reference_ = std::move(samples);
      since_ = time;
      repeats_ = 0;
      frozen_ = false;
    }
  }
  if (frozen_ || repeats_ < fewest_repeats || time - since_ < after) return frozen_;
  const std::optional<Image> now = visible();
  if (!now) return frozen_;
  std::vector<float> visible_now = block_means(*now);
  frozen_ = has_moved(visible_then_, visible_now);
  if (time - visible_since_ > longest_look) {
    visible_then_ = std::move(visible_now);
    visible_since_ = time;
  }
  return frozen_;
}

}  // namespace digfusion
