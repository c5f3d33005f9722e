// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/computetime.h"

namespace digfusion {
namespace {

constexpr std::size_t fewest = 8;
constexpr std::int64_t step = 5'000'000;

}  // namespace

bool ComputeTime::add(std::int64_t time) {
  recent_.add(time);
  if (recent_.size() < fewest) return false;
  const std::int64_t usual = recent_.ranked((recent_.size() * 95 + 99) / 100 - 1);
  const std::int64_t wanted = (usual + usual / 5 + step - 1) / step * step;
  const bool broken = usual > promised_, generous = recent_.full() && wanted <= promised_ / 2;
  if (!broken && !generous) return false;
  promised_ = wanted;
  return true;
}

}  // namespace digfusion
