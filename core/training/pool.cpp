// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/training/pool.h"

#include <algorithm>
#include <cmath>

namespace digfusion {
namespace {

constexpr std::uint64_t first_held_out = std::uint64_t{1} << 48;

at::Tensor as_tensor(const cv::Mat& luma) {
  const cv::Mat dense = luma.isContinuous() ? luma : luma.clone();
  return at::from_blob(const_cast<std::uint8_t*>(dense.ptr<std::uint8_t>()), {1, dense.rows, dense.cols},
                       at::kByte)
                 .to(at::kFloat) *
             (2.0 / 255) -
         1;
}

}  // namespace

PicturePool::PicturePool(std::uint64_t seed, int pictures, std::int64_t step)
    : seed_(seed), generator_(seed) {
  pictures_.resize(static_cast<std::size_t>(pictures));
  for (std::int64_t slot = 0; slot < pictures; ++slot) {
    // Step s replaced slot s % pictures by number pictures + s; the last such s < step is what stands there
    // now.
    std::int64_t number = slot;
    if (step > slot) number = pictures + slot + (step - 1 - slot) / pictures * pictures;
    pictures_[std::size_t(slot)] = generator_.picture(std::uint64_t(number), picture_size);
  }
}

at::Tensor PicturePool::batch(std::int64_t step, int batch, int patch) {
  const auto count = static_cast<std::int64_t>(pictures_.size());
  cv::RNG rng(seed_ * 0x9e3779b97f4a7c15ULL + std::uint64_t(step) * 0xda942042e4dd58b5ULL + 1);
  for (int warm = 0; warm < 4; ++warm) rng.next();
  std::vector<at::Tensor> rows;
  for (int i = 0; i < batch; ++i) {
    const cv::Mat& picture = pictures_[std::size_t(rng.uniform(0, int(count)))];
    const int room = picture_size - patch;
    at::Tensor crop =
        as_tensor(picture(cv::Rect(rng.uniform(0, room + 1), rng.uniform(0, room + 1), patch, patch)));
    crop = at::rot90(crop, rng.uniform(0, 4), {1, 2});
    if (rng.uniform(0, 2)) crop = crop.flip({2});
    const double contrast =
        std::exp(rng.uniform(std::log(0.25), std::log(1.1))) * (rng.uniform(0, 4) ? 1 : -1);
    const double room_above = std::max(0.0, 1 - std::abs(contrast));
    rows.push_back((crop * contrast + rng.uniform(-room_above, room_above)).clamp_(-1, 1));
  }
  const std::int64_t slot = step % count;
  pictures_[std::size_t(slot)] = generator_.picture(std::uint64_t(count + step), picture_size);
  return at::stack(rows).contiguous();
}

at::Tensor PicturePool::held_out(int count, int patch) const {
  std::vector<at::Tensor> rows;
  for (int i = 0; i < count; ++i)
    rows.push_back(as_tensor(generator_.picture(first_held_out + std::uint64_t(i), patch)));
  return at::stack(rows).contiguous();
}

}  // namespace digfusion
