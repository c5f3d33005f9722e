// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/device/noise_bodies.h"
#include "core/fusion/arena.h"
#include "core/fusion/gradient.h"
#include "core/fusion/poisson.h"
#include "core/image/gain_control.h"
#include "core/image/palette.h"
#include "core/image/samples.h"

namespace digfusion {
namespace {

Taps gaussian(double sigma) {
  Taps taps{};
  taps.radius = static_cast<int>(std::ceil(3 * sigma));
  TORCH_CHECK(taps.radius < int(std::size(taps.weight)), "a Gaussian of too many taps");
  for (int i = 0; i <= taps.radius; ++i)
    taps.weight[i] = static_cast<float>(std::exp(-.5 * i * i / (sigma * sigma)));
  return taps;
}

std::int64_t packed_stride(const Plane& plane) { return std::int64_t(plane.row_bytes + 15) / 16 * 16; }
}  // namespace

std::int64_t packed_bytes(const Image& image) {
  std::int64_t bytes = 0;
  for (int p = 0; p < image.planes; ++p) bytes += packed_stride(image.plane[p]) * image.plane[p].rows;
  return bytes;
}

Image packed(const Image& image, std::byte* memory) {
  Image result = image;
  for (int p = 0; p < image.planes; ++p) {
    Plane& plane = result.plane[p];
    plane.stride = packed_stride(plane);
    plane.data = reinterpret_cast<std::uint8_t*>(memory);
    memory += plane.stride * plane.rows;
  }
  return result;
}

void copy_rows(const Image& from, const Image& to) {
  for (int p = 0; p < from.planes; ++p)
    for (int y = 0; y < from.plane[p].rows; ++y)
      std::memcpy(to.plane[p].data + y * to.plane[p].stride, from.plane[p].data + y * from.plane[p].stride,
                  from.plane[p].row_bytes);
}

PictureView view_of(const Image& image, bool negative) {
  PictureView v{};
  v.width = image.width;
  v.height = image.height;
  v.is_rgb = image.is_rgb;
  v.is_big_endian = image.big_endian;
  const Component& first = image.component[0];
  v.is_wide = first.depth + first.shift > 8;
  for (int c = 0; c < (image.is_rgb ? 3 : 1); ++c) {
    const Component& component = image.component[c];
    const Plane& plane = image.plane[component.plane];
    v.channel[c] = {plane.data + component.offset, plane.stride, component.pixel_stride, component.shift};
  }
  const LumaWeights weights = luma_weights(image.matrix);
  v.weight[0] = weights.r, v.weight[1] = weights.g, v.weight[2] = weights.b;
  const Scale scale = scale_of(first.depth, image.range);
  const float sign = negative ? -1.f : 1.f;
  v.largest = scale.largest;
  v.gain = sign * static_cast<float>(2 / (scale.white - scale.black));
  v.offset = sign * static_cast<float>(-1 - scale.black * 2 / (scale.white - scale.black));
  v.to_gain = static_cast<float>((scale.white - scale.black) / 2);
  v.to_offset = static_cast<float>((scale.white + scale.black) / 2);
  return v;
}

bool is_copied(const Image& visible, int plane) {
  const int written = visible.is_rgb ? 0 : 1;
  int first = visible.components, last = -1;
  for (int c = 0; c < visible.components; ++c)
    if (visible.component[c].plane == plane) first = std::min(first, c), last = c;
  return !(first <= last && last < written);
}

Number number_of(at::ScalarType type) {
  return type == at::kBFloat16 ? Number::bfloat16 : type == at::kHalf ? Number::float16 : Number::float32;
}

std::vector<std::int64_t> GradientPlan::key_of(std::span<const Image> sources,
                                               std::span<const at::Tensor> ready,
                                               std::span<const InfraredWork> infrared, const Image& output) {
  std::vector<std::int64_t> key = {std::int64_t(sources.size())};
  const auto add = [&](const Image& image, bool is_ready) {
    key.insert(key.end(), {image.width, image.height, is_ready, int(image.memory), image.planes});
    if (is_ready) return;
    for (int p = 0; p < image.planes; ++p)
      key.insert(key.end(), {std::int64_t(image.plane[p].row_bytes), image.plane[p].rows});
    // YUY2 and GRAY16 have the same plane, and RGBx and RGBA.
    key.insert(key.end(), {image.is_rgb, image.components});
    for (int c = 0; c < image.components; ++c) {
      const Component& component = image.component[c];
      key.insert(key.end(), {component.plane, component.w_sub, component.h_sub});
    }
  };
  for (std::size_t i = 0; i < sources.size(); ++i) add(sources[i], i < ready.size() && ready[i].defined());
  add(output, false);
  for (std::size_t i = 0; i < infrared.size(); ++i) {
    const std::vector<std::int64_t> placing =
        i == 0 ? std::vector<std::int64_t>{} : InfraredPlan::key_of(sources[i], sources[0], infrared[i]);
    key.insert(key.end(), {infrared[i].curve != nullptr, std::int64_t(placing.size())});
    key.insert(key.end(), placing.begin(), placing.end());
  }
  return key;
}

GradientPlan::GradientPlan(Backend& backend, const GradientStudent* student, std::span<const Image> sources,
                           std::span<const at::Tensor> ready, std::span<const InfraredWork> infrared,
                           const Image& output, int in_flight)
    : key(key_of(sources, ready, infrared, output)) {
  GradientStream& s = stream;
  const GradientRule rule;
  const auto multiple = static_cast<int>(student ? student->multiple() : 1);
  const auto rounded_up = [&](int size) { return (size + multiple - 1) / multiple * multiple; };
  s.count = static_cast<int>(sources.size());
  s.picture = {sources[0].height, sources[0].width};
  s.size = {rounded_up(s.picture.height), rounded_up(s.picture.width)};
  s.sharpness = static_cast<float>(rule.sharpness);
  s.energy_share = static_cast<float>(rule.energy_share);
  s.base_choice = static_cast<float>(rule.base_choice);
  s.screening = static_cast<float>(rule.screening);
  s.cycles = rule.cycles;
  s.unshuffle = 1;
  if (student) {
    const std::vector<float> offsets = student->log_error_offsets();
    TORCH_CHECK(offsets.size() <= std::size(s.level_offset), "a student of too many levels");
    std::copy(offsets.begin(), offsets.end(), s.level_offset);
    s.levels = static_cast<int>(offsets.size());
    s.unshuffle = student->config().unshuffle;
    s.network = number_of(student->dtype());
    s.error_radius_cells = static_cast<int>(std::lround(rule.error_radius / (2 * s.unshuffle)));
  }
  const SurroundingsGrid around = surroundings_grid(s.picture.width, s.picture.height);
  s.around_grid = {around.height, around.width};
  // As gaussian_blur() does it.
  s.heat_shrink = 8, s.heat_taps = gaussian(40. / s.heat_shrink);
  s.base_shrink = static_cast<int>(rule.base_radius / 5),
  s.base_taps = gaussian(rule.base_radius / s.base_shrink);

  const auto axes = poisson_grids(s.size.height, s.size.width);
  s.grids = static_cast<int>(axes.size());
  grids.resize(axes.size());
  std::vector<float> axis_numbers;

  const Extent2 e1 = s.size1(), e2 = s.size2(), e3 = s.size3(), heat = s.small(s.heat_shrink),
                base = s.small(s.base_shrink);
  const std::int64_t k = s.count, area = s.size.area();
  const int cell = 2 * s.unshuffle;
  PoissonGrid* grids_on_device = nullptr;
  float* axes_on_device = nullptr;
  const auto lay_out = [&](Arena arena) {
    s.numbers = arena.take<StreamNumbers>(1);
    s.arguments = arena.take<FrameArguments>(1);
    s.planes = arena.take<float>(k * area);
    s.clean = arena.take<float>(k * area);
    s.first = arena.take<float>(k * area);
    s.second = arena.take<float>(k * area);
    s.network_input = arena.take<float>(k * area);
    s.told = arena.take<float>(4 * k);
    s.error = arena.take<float>(k * (s.size.height / cell) * (s.size.width / cell));
    s.heat_small = arena.take<float>(k * heat.area()), s.heat_middle = arena.take<float>(k * heat.area());
    s.base_small = arena.take<float>(k * base.area()), s.base_middle = arena.take<float>(k * base.area());
    s.base = arena.take<float>(area);
    s.histogram = arena.take<std::uint32_t>(4096);
    s.around = arena.take<float>(s.around_grid.area());
    s.around_middle = arena.take<float>(s.around_grid.area());
    for (float** map : {&s.weights, &s.weights_past}) *map = arena.take<float>(k * area);
    for (float** map : {&s.fused, &s.fused_past}) *map = arena.take<float>(area);
    for (float** map : {&s.thumbnails, &s.thumbnails_past}) *map = arena.take<float>(k * 256);
    for (float** map : {&s.now, &s.mean, &s.mean_past, &s.change}) *map = arena.take<float>(k * e1.area());
    for (float** map : {&s.blocks, &s.contrast, &s.contrast_past, &s.change2, &s.energy, &s.motion, &s.share})
      *map = arena.take<float>(k * e2.area());
    for (float** map : {&s.squares3, &s.blocks3, &s.change3, &s.energy3})
      *map = arena.take<float>(k * e3.area());
    s.responses = arena.take<float>(k * white_places(s.size).area());
    s.differences = arena.take<float>(2 * k * column_parts * s.size.width);
    grids_on_device = arena.take<PoissonGrid>(s.grids);
    axes_on_device = arena.take<float>(std::int64_t(axis_numbers.size()));
    for (std::size_t n = 0; n < axes.size(); ++n) {
      const std::int64_t cells = std::int64_t(axes[n].first.width.size() * axes[n].second.width.size());
      grids[n].solution = arena.take<float>(cells);
      grids[n].right_side = arena.take<float>(cells);
    }
    for (Slot& slot : slots) {
      slot.in.device = arena.take<std::byte>(slot.in.bytes);
      slot.out.device = arena.take<std::byte>(slot.out.bytes);
    }
    return arena.used();
  };
  // A slot's parts lie alike on both sides, so that one copy takes all of them.
  const auto lay_out_slot = [](Slot& slot, std::byte* Staging::*side) {
    Arena in(slot.in.*side), out(slot.out.*side);
    (void)in.take<FrameArguments>(1);
    for (Staging& staging : slot.source) staging.*side = in.take<std::byte>(staging.bytes);
    (void)out.take<StreamNumbers>(1);
    slot.result.*side = out.take<std::byte>(slot.result.bytes);
    slot.in.bytes = static_cast<std::int64_t>(in.used()),
    slot.out.bytes = static_cast<std::int64_t>(out.used());
  };
  slots.resize(static_cast<std::size_t>(in_flight));
  for (Slot& slot : slots) {
    slot.source.resize(sources.size());
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const bool is_ready = i < ready.size() && ready[i].defined();
      slot.source[i].bytes = is_ready ? std::int64_t(sources[i].width) * sources[i].height * 4
                             : sources[i].memory == Memory::host ? packed_bytes(sources[i])
                                                                 : 0;
      if (i < infrared.size() && infrared[i].curve) {
        slot.source[i].curve = slot.source[i].bytes;
        slot.source[i].bytes += raw_values * std::int64_t(sizeof(float));
      }
    }
    slot.result.bytes = output.memory == Memory::host ? packed_bytes(output) : 0;
    lay_out_slot(slot, &Staging::host);  // for its size
  }
  // Coefficients of all axes, one after another; pointers follow when their place is known.
  std::vector<std::array<std::size_t, 10>> places;
  const auto put = [&](const std::vector<float>& numbers) {
    const std::size_t at = axis_numbers.size();
    axis_numbers.insert(axis_numbers.end(), numbers.begin(), numbers.end());
    return at;
  };
  for (const auto& [rows, columns] : axes)
    places.push_back({put(rows.before), put(rows.after), put(columns.before), put(columns.after),
                      put(rows.share_first), put(columns.share_first), put(rows.lean_first),
                      put(rows.lean_second), put(columns.lean_first), put(columns.lean_second)});

  memory = backend.buffer(lay_out(Arena(nullptr)));
  lay_out(Arena(bytes_of(memory)));
  for (std::size_t n = 0; n < axes.size(); ++n) {
    PoissonGrid& g = grids[n];
    g.size = {int(axes[n].first.width.size()), int(axes[n].second.width.size())};
    const float** const parts[] = {
        &g.up,           &g.down,        &g.left,        &g.right,          &g.row_share,
        &g.column_share, &g.row_lean[0], &g.row_lean[1], &g.column_lean[0], &g.column_lean[1]};
    for (std::size_t i = 0; i < std::size(parts); ++i) *parts[i] = axes_on_device + places[n][i];
  }
  s.solution = grids[0].solution;
  s.right_side = grids[0].right_side;
  s.grid = grids.data();
  s.grid_on_device = grids_on_device;

  // The host's side, with room at its end for what is uploaded once.
  PoissonGrid* grids_in_host = nullptr;
  float* axes_in_host = nullptr;
  const auto lay_out_host = [&](Arena arena) {
    for (Slot& slot : slots) {
      slot.in.host = arena.take<std::byte>(slot.in.bytes);
      slot.out.host = arena.take<std::byte>(slot.out.bytes);
    }
    grids_in_host = arena.take<PoissonGrid>(s.grids);
    axes_in_host = arena.take<float>(std::int64_t(axis_numbers.size()));
    return arena.used();
  };
  host = backend.staging(lay_out_host(Arena(nullptr)));
  lay_out_host(Arena(bytes_of(host)));
  for (Slot& slot : slots) {
    lay_out_slot(slot, &Staging::host);
    lay_out_slot(slot, &Staging::device);
    slot.arguments = reinterpret_cast<FrameArguments*>(slot.in.host);
    slot.numbers = reinterpret_cast<StreamNumbers*>(slot.out.host);
  }
  std::copy(grids.begin(), grids.end(), grids_in_host);
  std::copy(axis_numbers.begin(), axis_numbers.end(), axes_in_host);
  backend.copy(grids_on_device, grids_in_host, grids.size() * sizeof(PoissonGrid));
  backend.copy(axes_on_device, axes_in_host, axis_numbers.size() * sizeof(float));

  this->infrared.resize(sources.size());
  for (std::size_t i = 1; i < infrared.size(); ++i)
    if (!InfraredPlan::key_of(sources[i], sources[0], infrared[i]).empty())
      this->infrared[i] =
          std::make_unique<InfraredPlan>(backend, sources[i], sources[0], infrared[i], s.arguments, int(i));

  if (student) {
    const auto options = at::TensorOptions().device(backend.device());
    features = at::from_blob(s.network_input,
                             {k, s.size.height / s.unshuffle, s.size.width / s.unshuffle,
                              std::int64_t{s.unshuffle} * s.unshuffle},
                             options.dtype(student->dtype()))
                   .permute({0, 3, 1, 2});
    told = at::from_blob(s.told, {k, 4}, options.dtype(at::kFloat));
  }
  view = view_extent(output);
  for (int p = 0; p < sources[0].planes; ++p) {
    if (!is_copied(sources[0], p)) continue;
    ++copies;
    copy_width = std::max(copy_width, int(sources[0].plane[p].row_bytes));
    copy_rows = std::max(copy_rows, sources[0].plane[p].rows);
  }
}

std::vector<std::span<std::byte>> GradientPlan::past() const {
  const GradientStream& s = stream;
  const auto k = static_cast<std::size_t>(s.count);
  const auto map = [](float* data, std::size_t count, Extent2 e) {
    return std::as_writable_bytes(std::span(data, count * static_cast<std::size_t>(e.area())));
  };
  return {std::as_writable_bytes(std::span(s.numbers, 1)),
          map(s.weights_past, k, s.size),
          map(s.fused_past, 1, s.size),
          map(s.thumbnails_past, k, {16, 16}),
          map(s.mean_past, k, s.size1()),
          map(s.contrast_past, k, s.size2())};
}

bool GradientPlan::has_past_for(const GradientPlan& other) const {
  const GradientStream &a = stream, &b = other.stream;
  const auto same = [](Extent2 one, Extent2 two) {
    return one.height == two.height && one.width == two.width;
  };
  return a.count == b.count && same(a.picture, b.picture) && same(a.size, b.size);
}

}  // namespace digfusion
