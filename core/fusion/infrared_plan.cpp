// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/infrared_plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/fusion/arena.h"

namespace digfusion {
namespace {

/// Sizes and places, without memory.
struct Geometry {
  Extent2 from, scaled;
  int left = 0, top = 0;
  bool is_registered = false, is_faded = false;

  Geometry(const Image& infrared, const Image& visible, const InfraredWork& work)
      : from{infrared.height, infrared.width}, scaled{visible.height, visible.width} {
    if (work.table) {
      const Size sampled = work.table->sampled();
      is_registered = work.table->places().defined();
      is_faded = work.table->share().defined();
      scaled = {int(sampled.height), int(sampled.width)};
    } else if (work.placement != Placement{}) {
      scaled = {int(work.placement.height), int(work.placement.width)};
      left = int(work.placement.x), top = int(work.placement.y);
    }
  }
  bool scales() const { return scaled.width != from.width || scaled.height != from.height; }
};

template <class T>
void upload(Backend& backend, const T* to, const at::Tensor& from) {
  backend.copy(const_cast<T*>(to), from.const_data_ptr(), std::size_t(from.numel()) * sizeof(T));
}

}  // namespace

ScalingTable::ScalingTable(int from, int to) {
  // In the very types of ATen, whose float32 places are part of the definition's numbers.
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  const float support = scale >= 1 ? scale : 1.f, steepness = scale >= 1 ? 1 / scale : 1.f;
  most = int(std::ceil(support)) * 2 + 1;
  weight.resize(std::size_t(to) * std::size_t(most));
  for (int i = 0; i < to; ++i) {
    const auto centre = static_cast<float>(scale * (i + .5));
    const int begin = std::max(int(centre - support + .5), 0);
    const int end = std::min(int(centre + support + .5), from);
    float* const weights = weight.data() + std::size_t(i) * std::size_t(most);
    float sum = 0;
    for (int j = begin; j < std::min(end, begin + most); ++j) {
      const auto place = static_cast<float>((j - centre + .5) * steepness);
      sum += weights[j - begin] = std::max(1 - std::abs(place), 0.f);
    }
    for (int j = 0; j < most; ++j) weights[j] /= sum;
    first.push_back(begin);
    count.push_back(std::min(end - begin, most));
  }
}

std::vector<std::int64_t> InfraredPlan::key_of(const Image& infrared, const Image& visible,
                                               const InfraredWork& work) {
  const Geometry g(infrared, visible, work);
  const bool covers =
      g.left == 0 && g.top == 0 && g.scaled.width == visible.width && g.scaled.height == visible.height;
  if (!g.is_registered && covers && !g.scales()) return {};
  return {g.from.width, g.from.height, g.scaled.width,  g.scaled.height,
          g.left,       g.top,         g.is_registered, g.is_faded};
}

InfraredPlan::InfraredPlan(Backend& backend, const Image& infrared, const Image& visible,
                           const InfraredWork& work, const FrameArguments* arguments, int source) {
  const Geometry g(infrared, visible, work);
  InfraredPlacing& p = placing_;
  p.arguments = arguments;
  p.source = source;
  p.visible = {visible.height, visible.width};
  p.from = g.from, p.scaled = g.scaled;
  p.left = g.left, p.top = g.top;
  p.skipped = g.is_registered ? 0 : std::max(0, -g.left);
  p.shown = g.is_registered ? g.scaled.width
                            : std::min(g.left + g.scaled.width, visible.width) - std::max(g.left, 0);

  // What is uploaded comes first, in one piece.
  const ScalingTable columns(g.from.width, g.scaled.width), rows(g.from.height, g.scaled.height);
  std::size_t table_bytes = 0;
  const auto lay_out = [&](Arena arena, bool all) {
    if (g.scales())
      for (const auto& [axis, table] : {std::pair(&p.columns, &columns), {&p.rows, &rows}}) {
        axis->most = table->most;
        axis->first = arena.take<int>(std::int64_t(table->first.size()));
        axis->count = arena.take<int>(std::int64_t(table->count.size()));
        axis->weight = arena.take<float>(std::int64_t(table->weight.size()));
      }
    table_bytes = arena.used();
    if (!all) return table_bytes;
    p.plane = arena.take<float>(p.visible.area());
    if (g.scales()) p.middle = arena.take<float>(std::int64_t(g.from.height) * p.shown);
    if (g.scales() && g.is_registered) p.small = arena.take<float>(g.scaled.area());
    if (g.is_registered) p.places = arena.take<float>(2 * std::int64_t(p.visible.area()));
    if (g.is_faded) p.share = arena.take<float>(p.visible.area());
    return arena.used();
  };
  memory_ = backend.buffer(lay_out(Arena(nullptr), true));
  if (g.scales()) {
    tables_ = backend.staging(table_bytes);
    lay_out(Arena(bytes_of(tables_)), false);
    for (const auto& [axis, table] : {std::pair(&p.columns, &columns), {&p.rows, &rows}}) {
      std::copy(table->first.begin(), table->first.end(), const_cast<int*>(axis->first));
      std::copy(table->count.begin(), table->count.end(), const_cast<int*>(axis->count));
      std::copy(table->weight.begin(), table->weight.end(), const_cast<float*>(axis->weight));
    }
    backend.copy(memory_.mutable_data_ptr(), tables_.const_data_ptr(), table_bytes);
  }
  lay_out(Arena(bytes_of(memory_)), true);
}

void InfraredPlan::update(Backend& backend, const InfraredWork& work) {
  if (!placing_.places || places_.is_same(work.table->places())) return;
  places_ = work.table->places();
  share_ = work.table->share();
  upload(backend, placing_.places, places_);
  if (placing_.share) upload(backend, placing_.share, share_);
}

}  // namespace digfusion
