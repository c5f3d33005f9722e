// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/remap.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "core/interface/error.h"

namespace digfusion {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

/// The infrared pixel of each visible one, not a number where there is none within its picture.
std::vector<Point> places_of(const Registration& registration, Size visible, Size infrared) {
  const PixelMap map(registration, visible, infrared);
  std::vector<Point> places(std::size_t(visible.width * visible.height), {none, none});
  const auto within = [](double place, std::int64_t side) {
    constexpr double rounding = 1e-6;
    return place >= -.5 - rounding && place <= double(side) - .5 + rounding;
  };
  at::parallel_for(0, visible.height, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t y = begin; y < end; ++y)
      for (std::int64_t x = 0; x < visible.width; ++x) {
        const auto p = map.to_infrared({double(x), double(y)});
        if (p && within(p->x, infrared.width) && within(p->y, infrared.height))
          places[std::size_t(y * visible.width + x)] = *p;
      }
  });
  return places;
}

/// Infrared pixels to one visible one, along a side: the root of the mean area.
double density(const std::vector<Point>& places, std::int64_t width) {
  double area = 0, count = 0;
  for (std::size_t i = 0; i + std::size_t(width) < places.size(); ++i) {
    if ((i + 1) % std::size_t(width) == 0) continue;
    const Point &here = places[i], &right = places[i + 1], &below = places[i + std::size_t(width)];
    const double cell =
        std::abs((right.x - here.x) * (below.y - here.y) - (right.y - here.y) * (below.x - here.x));
    if (std::isnan(cell)) continue;
    area += cell;
    ++count;
  }
  return count == 0 ? 1 : std::sqrt(area / count);
}

bool moves_nothing(const std::vector<Point>& places, std::int64_t width) {
  constexpr double nothing = 1e-6;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const double x = double(i % std::size_t(width)), y = double(i / std::size_t(width));
    if (!(std::abs(places[i].x - x) < nothing && std::abs(places[i].y - y) < nothing)) return false;
  }
  return true;
}

/// 0 where there is no infrared picture, rising to 1 at `width` pixels from there, without a kink.
at::Tensor faded(const std::vector<Point>& places, Size size, double width) {
  at::Tensor share = at::empty({1, 1, size.height, size.width}, at::kFloat);
  cv::Mat has(int(size.height), int(size.width), CV_8U),
      distance(has.size(), CV_32F, share.data_ptr<float>());
  for (std::size_t i = 0; i < places.size(); ++i) has.data[i] = std::isnan(places[i].x) ? 0 : 255;
  cv::distanceTransform(has, distance, cv::DIST_L2, cv::DIST_MASK_PRECISE, CV_32F);
  share.div_(width).clamp_(0, 1);
  return share * share * (3 - 2 * share);
}

}  // namespace

RemapTable::RemapTable(const Registration& registration, Size visible, Size infrared)
    : visible_(visible), infrared_(infrared), sampled_(infrared) {
  const std::vector<Point> places = places_of(registration, visible, infrared);
  const auto is_missing = [](const Point& p) { return std::isnan(p.x); };
  const auto missing = std::count_if(places.begin(), places.end(), is_missing);
  if (missing == std::ptrdiff_t(places.size()))
    throw Error(ErrorCode::invalid_argument,
                "registration: it takes the infrared picture of " + std::to_string(infrared.width) + "x" +
                    std::to_string(infrared.height) + " wholly beside the visible one of " +
                    std::to_string(visible.width) + "x" + std::to_string(visible.height));
  is_identity_ = visible == infrared && moves_nothing(places, visible.width);
  if (is_identity_) return;

  if (const double reduction = density(places, visible.width); reduction > 1.5) {
    sampled_.width = std::max<std::int64_t>(2, std::lround(double(infrared.width) / reduction));
    sampled_.height = std::max<std::int64_t>(2, std::lround(double(infrared.height) / reduction));
  }
  places_ = at::zeros({1, visible.height, visible.width, 2}, at::kFloat);
  float* to = places_.data_ptr<float>();
  const auto normal = [](double place, std::int64_t from, std::int64_t side) {
    const double x = (place + .5) * double(side) / double(from) - .5;
    return float(2 * x / double(side - 1) - 1);
  };
  for (const Point& p : places) {
    if (!is_missing(p)) {
      to[0] = normal(p.x, infrared.width, sampled_.width);
      to[1] = normal(p.y, infrared.height, sampled_.height);
    }
    to += 2;
  }
  if (missing > 0) share_ = faded(places, visible, double(std::max(visible.width, visible.height)) / 50);
}

Placed RemapTable::place(const at::Tensor& infrared) const {
  if (is_identity_) return {infrared, {}};
  at::Tensor source = infrared;
  if (sampled_ != infrared_)
    source =
        at::_upsample_bilinear2d_aa(infrared, {sampled_.height, sampled_.width}, /*align_corners=*/false);
  constexpr int bilinear = 0, border = 1;
  return {at::grid_sampler(source, places_.to(source.device()), bilinear, border, /*align_corners=*/true),
          share_};
}

Placed Registrar::place(std::size_t index, const at::Tensor& infrared, Size visible) {
  return table(index, {infrared.size(3), infrared.size(2)}, visible).place(infrared);
}

const RemapTable& Registrar::table(std::size_t index, Size infrared, Size visible) {
  if (tables_.size() <= index) tables_.resize(index + 1);
  std::optional<RemapTable>& table = tables_[index];
  if (!table || table->visible() != visible || table->infrared() != infrared)
    table.emplace(*registration_, visible, infrared);
  return *table;
}

}  // namespace digfusion
