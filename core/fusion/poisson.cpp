// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/poisson.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/device/clones.h"
#include "core/device/loops.h"

namespace digfusion {
namespace {

constexpr int sweeps = 2;  // before and after the coarser levels

std::int64_t size(const PoissonAxis& axis) { return static_cast<std::int64_t>(axis.width.size()); }

PoissonAxis make_axis(std::vector<float> width) {
  PoissonAxis axis;
  const std::size_t n = width.size();
  axis.before.assign(n, 0);
  axis.after.assign(n, 0);
  for (std::size_t i = 0; i + 1 < n; ++i) {
    const float distance = (width[i] + width[i + 1]) / 2;
    axis.after[i] = 1 / (width[i] * distance);
    axis.before[i + 1] = 1 / (width[i + 1] * distance);
  }
  axis.width = std::move(width);
  return axis;
}

/// Two by two; fills in what `fine` knows of the coarser one.
PoissonAxis coarsen(PoissonAxis& fine) {
  const std::size_t n = fine.width.size(), coarse = (n + 1) / 2;
  std::vector<float> width(coarse), centre(coarse);
  float edge = 0;
  for (std::size_t i = 0; i < coarse; ++i) {
    width[i] = fine.width[2 * i] + (2 * i + 1 < n ? fine.width[2 * i + 1] : 0);
    centre[i] = edge + width[i] / 2;
    edge += width[i];
  }
  fine.lean_first.assign(coarse, 0);
  fine.lean_second.assign(coarse, 0);
  fine.share_first.assign(coarse, 1);
  for (std::size_t i = 0; i < coarse; ++i) {
    fine.share_first[i] = fine.width[2 * i] / width[i];
    if (2 * i + 1 == n) continue;  // alone, and in the coarse cell's centre
    if (i > 0) fine.lean_first[i] = fine.width[2 * i + 1] / 2 / (centre[i] - centre[i - 1]);
    if (i + 1 < coarse) fine.lean_second[i] = fine.width[2 * i] / 2 / (centre[i + 1] - centre[i]);
  }
  return make_axis(std::move(width));
}

/// A plane with its border of zeros.
template <class Float>
class Plane {
 public:
  Plane(Float* data, const PoissonAxis& columns) : data_(data), stride_(size(columns) + 2) {}
  Float* row(std::int64_t y) const { return data_ + (y + 1) * stride_ + 1; }  // y from -1 to H

 private:
  Float* data_;
  std::int64_t stride_;
};

/// One equation's parts in a row: up and down are its coefficients for the rows above and below.
struct RowCoefficients {
  float up, down, rest;  // rest: μ + up + down
  const float *left, *right;
};

RowCoefficients coefficients(const PoissonAxis& rows, const PoissonAxis& columns, std::int64_t y, float mu) {
  const auto i = static_cast<std::size_t>(y);
  return {rows.before[i], rows.after[i], mu + rows.before[i] + rows.after[i], columns.before.data(),
          columns.after.data()};
}

/// Half a sweep over a row: cells where `take` is 1 get the value that solves their equation, the others
/// (`keep` = 1) are copied. Out of place, so that the compiler can vectorise and rows are independent.
DIGFUSION_CLONES void relax_row(const float* __restrict above, const float* __restrict here,
                                const float* __restrict below, const float* __restrict right_side,
                                const RowCoefficients c, const float* __restrict take,
                                const float* __restrict keep, float* __restrict out, std::int64_t n) {
  const float* __restrict left = c.left;
  const float* __restrict right = c.right;
  for (std::int64_t x = 0; x < n; ++x) {
    const float sum =
        right_side[x] + c.up * above[x] + c.down * below[x] + left[x] * here[x - 1] + right[x] * here[x + 1];
    out[x] = take[x] * (sum / (c.rest + left[x] + right[x])) + keep[x] * here[x];
  }
}

DIGFUSION_CLONES void residual_row(const float* __restrict above, const float* __restrict here,
                                   const float* __restrict below, const float* __restrict right_side,
                                   const RowCoefficients c, float* __restrict out, std::int64_t n) {
  const float* __restrict left = c.left;
  const float* __restrict right = c.right;
  for (std::int64_t x = 0; x < n; ++x)
    out[x] = right_side[x] + c.up * above[x] + c.down * below[x] + left[x] * here[x - 1] +
             right[x] * here[x + 1] - (c.rest + left[x] + right[x]) * here[x];
}

/// Two rows of residuals to one coarser row: means, by area.
DIGFUSION_CLONES void restrict_row(const float* __restrict first, const float* __restrict second,
                                   float share_of_first, const float* __restrict share, float* __restrict out,
                                   std::int64_t fine_width) {
  const float a = share_of_first, b = 1 - share_of_first;
  const std::int64_t pairs = fine_width / 2;
  for (std::int64_t x = 0; x < pairs; ++x)
    out[x] = share[x] * (a * first[2 * x] + b * second[2 * x]) +
             (1 - share[x]) * (a * first[2 * x + 1] + b * second[2 * x + 1]);
  if (fine_width % 2 == 1) out[pairs] = a * first[2 * pairs] + b * second[2 * pairs];
}

/// Adds a coarser row's correction, bilinearly: `near` is the coarse row that holds this one, `far` the one
/// towards which it leans.
DIGFUSION_CLONES void prolong_row(const float* __restrict near, const float* __restrict far, float lean,
                                  const float* first, const float* second, float* __restrict out,
                                  std::int64_t fine_width) {
  const float a = 1 - lean, b = lean;
  const std::int64_t pairs = fine_width / 2;
  for (std::int64_t x = 0; x < pairs; ++x) {
    const float before = a * near[x - 1] + b * far[x - 1], here = a * near[x] + b * far[x],
                after = a * near[x + 1] + b * far[x + 1];
    out[2 * x] += here + first[x] * (before - here);
    out[2 * x + 1] += here + second[x] * (after - here);
  }
  if (fine_width % 2 == 1) out[2 * pairs] += a * near[pairs] + b * far[pairs];
}

template <class Function>
void for_rows(std::int64_t rows, std::int64_t width, const Function& function) {
  for_row_ranges(rows, width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t y = begin; y < end; ++y) function(y);
  });
}

at::Tensor column(const std::vector<float>& values, at::Device device) {
  return at::tensor(values).to(device).view({1, 1, -1, 1});
}
at::Tensor row(const std::vector<float>& values, at::Device device) {
  return at::tensor(values).to(device).view({1, 1, 1, -1});
}

/// The neighbours of all cells, zeros beyond the border.
struct Neighbours {
  explicit Neighbours(const at::Tensor& x) {
    const std::int64_t height = x.size(2), width = x.size(3);
    const at::Tensor padded = at::constant_pad_nd(x, {1, 1, 1, 1});
    const auto part = [&](std::int64_t y, std::int64_t from) {
      return padded.narrow(2, y, height).narrow(3, from, width);
    };
    up = part(0, 1), down = part(2, 1), left = part(1, 0), right = part(1, 2);
  }
  at::Tensor up, down, left, right;
};

}  // namespace

std::vector<std::pair<PoissonAxis, PoissonAxis>> poisson_grids(std::int64_t height, std::int64_t width) {
  std::vector<std::pair<PoissonAxis, PoissonAxis>> grids;
  PoissonAxis rows = make_axis(std::vector<float>(static_cast<std::size_t>(height), 1));
  PoissonAxis columns = make_axis(std::vector<float>(static_cast<std::size_t>(width), 1));
  for (bool coarsest = false; !coarsest;) {
    coarsest = size(rows) == 1 && size(columns) == 1;
    PoissonAxis next_rows = coarsen(rows), next_columns = coarsen(columns);
    grids.emplace_back(std::move(rows), std::move(columns));
    rows = std::move(next_rows), columns = std::move(next_columns);
  }
  return grids;
}

void ScreenedPoisson::resize(std::int64_t height, std::int64_t width) {
  if (!levels_.empty() && size(levels_[0].rows) == height && size(levels_[0].columns) == width) return;
  levels_.clear();
  tensors_.clear();
  for (auto& [rows, columns] : poisson_grids(height, width))
    levels_.push_back({std::move(rows), std::move(columns), {}, {}, {}});
  checker_.resize(static_cast<std::size_t>(width) + 1);
  for (std::size_t i = 0; i < checker_.size(); ++i) checker_[i] = static_cast<float>(i % 2);
}

void ScreenedPoisson::cycle(std::size_t number, float mu) {
  Level& level = levels_[number];
  const std::int64_t height = size(level.rows), width = size(level.columns);
  const Plane<float> right(level.right.data(), level.columns);

  const auto relax = [&] {
    for (int half = 0; half < 2; ++half) {
      const Plane<float> from(level.solution.data(), level.columns), to(level.other.data(), level.columns);
      for_rows(height, width, [&](std::int64_t y) {
        const std::int64_t odd = (y + half) % 2;
        relax_row(from.row(y - 1), from.row(y), from.row(y + 1), right.row(y),
                  coefficients(level.rows, level.columns, y, mu), checker_.data() + (1 - odd),
                  checker_.data() + odd, to.row(y), width);
      });
      level.solution.swap(level.other);
    }
  };

  for (int i = 0; i < sweeps; ++i) relax();
  if (number + 1 == levels_.size()) return;  // one cell: solved

  Level& coarse = levels_[number + 1];
  const Plane<float> solution(level.solution.data(), level.columns),
      residual(level.other.data(), level.columns), coarse_right(coarse.right.data(), coarse.columns);
  for_rows(height, width, [&](std::int64_t y) {
    residual_row(solution.row(y - 1), solution.row(y), solution.row(y + 1), right.row(y),
                 coefficients(level.rows, level.columns, y, mu), residual.row(y), width);
  });
  for_rows(size(coarse.rows), width, [&](std::int64_t y) {
    const std::int64_t second = std::min(2 * y + 1, height - 1);
    restrict_row(residual.row(2 * y), residual.row(second),
                 level.rows.share_first[static_cast<std::size_t>(y)], level.columns.share_first.data(),
                 coarse_right.row(y), width);
  });
  std::fill(coarse.solution.begin(), coarse.solution.end(), 0.f);
  cycle(number + 1, mu);
  const Plane<float> correction(coarse.solution.data(), coarse.columns);
  for_rows(height, width, [&](std::int64_t y) {
    const auto near = static_cast<std::size_t>(y / 2);
    const bool first = y % 2 == 0;
    prolong_row(correction.row(y / 2), correction.row(y / 2 + (first ? -1 : 1)),
                first ? level.rows.lean_first[near] : level.rows.lean_second[near],
                level.columns.lean_first.data(), level.columns.lean_second.data(), solution.row(y), width);
  });
  for (int i = 0; i < sweeps; ++i) relax();
}

at::Tensor ScreenedPoisson::solve(const at::Tensor& start, const at::Tensor& right, double mu, int cycles) {
  if (!start.device().is_cpu()) return solve_with_aten(start, right, mu, cycles);
  const std::int64_t height = start.size(2), width = start.size(3);
  resize(height, width);
  if (levels_[0].solution.empty())
    for (Level& level : levels_)
      for (auto* plane : {&level.solution, &level.other, &level.right})
        plane->assign(static_cast<std::size_t>((size(level.rows) + 2) * (size(level.columns) + 2)), 0.f);

  Level& finest = levels_[0];
  const auto copy_in = [&](const at::Tensor& tensor, std::vector<float>& plane) {
    const at::Tensor dense = tensor.contiguous();
    const float* from = dense.const_data_ptr<float>();
    const Plane<float> to(plane.data(), finest.columns);
    for_rows(height, width, [&](std::int64_t y) { std::copy_n(from + y * width, width, to.row(y)); });
  };
  copy_in(start, finest.solution);
  copy_in(right, finest.right);
  for (int i = 0; i < cycles; ++i) cycle(0, static_cast<float>(mu));
  at::Tensor result = at::empty({1, 1, height, width}, start.options());
  float* to = result.mutable_data_ptr<float>();
  const Plane<float> from(finest.solution.data(), finest.columns);
  for_rows(height, width, [&](std::int64_t y) { std::copy_n(from.row(y), width, to + y * width); });
  return result;
}

void ScreenedPoisson::resize_tensors(at::Device device) {
  if (!tensors_.empty() && tensors_[0].up.device() == device) return;
  tensors_.clear();
  for (const Level& level : levels_) {
    const PoissonAxis &rows = level.rows, &columns = level.columns;
    TensorLevel t;
    t.up = column(rows.before, device), t.down = column(rows.after, device);
    t.left = row(columns.before, device), t.right = row(columns.after, device);
    t.diagonal = t.up + t.down + t.left + t.right;
    const at::Tensor y = at::arange(size(rows), t.up.options()).view({1, 1, -1, 1}),
                     x = at::arange(size(columns), t.up.options()).view({1, 1, 1, -1});
    t.red = at::remainder(x + y, 2).eq(0);
    t.lean[0] = row(columns.lean_first, device), t.lean[1] = row(columns.lean_second, device);
    t.lean[2] = column(rows.lean_first, device), t.lean[3] = column(rows.lean_second, device);
    t.share[0] = row(columns.share_first, device), t.share[1] = column(rows.share_first, device);
    tensors_.push_back(std::move(t));
  }
}

at::Tensor ScreenedPoisson::cycle(std::size_t number, at::Tensor solution, const at::Tensor& right,
                                  double mu) const {
  const TensorLevel& level = tensors_[number];
  const std::int64_t height = solution.size(2), width = solution.size(3);
  const auto inflow = [&] {
    const Neighbours n(solution);
    return right + level.up * n.up + level.down * n.down + level.left * n.left + level.right * n.right;
  };
  const auto relax = [&] {
    for (const bool red : {true, false}) {
      const at::Tensor solved = inflow() / (level.diagonal + mu);
      solution = red ? at::where(level.red, solved, solution) : at::where(level.red, solution, solved);
    }
  };
  for (int i = 0; i < sweeps; ++i) relax();
  if (number + 1 == tensors_.size()) return solution;

  // Columns, then rows: the means of pairs (zeros beside a single one, whose share is 1).
  at::Tensor residual = inflow() - (level.diagonal + mu) * solution;
  residual = at::constant_pad_nd(residual, {0, width % 2, 0, height % 2});
  residual =
      level.share[0] * residual.slice(3, 0, {}, 2) + (1 - level.share[0]) * residual.slice(3, 1, {}, 2);
  residual =
      level.share[1] * residual.slice(2, 0, {}, 2) + (1 - level.share[1]) * residual.slice(2, 1, {}, 2);

  const at::Tensor coarse = cycle(number + 1, at::zeros_like(residual), residual, mu);
  const Neighbours beside(coarse);
  const at::Tensor wide = at::stack({at::lerp(coarse, beside.left, level.lean[0].expand_as(coarse)),
                                     at::lerp(coarse, beside.right, level.lean[1].expand_as(coarse))},
                                    4)
                              .flatten(3, 4);
  const Neighbours above(wide);
  const at::Tensor high = at::stack({at::lerp(wide, above.up, level.lean[2].expand_as(wide)),
                                     at::lerp(wide, above.down, level.lean[3].expand_as(wide))},
                                    3)
                              .flatten(2, 3);
  solution = solution + high.narrow(2, 0, height).narrow(3, 0, width);
  for (int i = 0; i < sweeps; ++i) relax();
  return solution;
}

at::Tensor ScreenedPoisson::solve_with_aten(const at::Tensor& start, const at::Tensor& right, double mu,
                                            int cycles) {
  resize(start.size(2), start.size(3));
  resize_tensors(start.device());
  at::Tensor solution = start;
  for (int i = 0; i < cycles; ++i) solution = cycle(0, solution, right, mu);
  return solution;
}

}  // namespace digfusion
