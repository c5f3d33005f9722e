// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The screened Poisson equation (μ - Δ) f = b on a picture's pixels with no flux across the border (Neumann):
// f follows the divergence in b and is drawn to b/μ over distances above 1/√μ. Solved by multigrid V(2,2)
// cycles with red-black Gauss-Seidel sweeps (Briggs, Henson, McCormick, "A Multigrid Tutorial"), on cells:
// a coarse cell is two by two finer ones, or fewer at the far borders, and all operators know the cells' true
// widths, so that any size will do.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace digfusion {

/// One axis of one level: cells side by side.
struct PoissonAxis {
  std::vector<float> width;          ///< of each cell, in pixels
  std::vector<float> before, after;  ///< of -d²/dx²: 1/(width · distance to the neighbour); 0 at the border
  std::vector<float> lean_first;     ///< for the next coarser cell: how far its first finer one lies towards
  std::vector<float> lean_second;    ///< the cell before it, its second one towards that after it; 0..½
  std::vector<float> share_first;    ///< share of the next coarser cell that is its first finer cell: ½..1
};

/// Rows and columns of all grids for a picture of this size, the finest first; the last is one cell.
std::vector<std::pair<PoissonAxis, PoissonAxis>> poisson_grids(std::int64_t height, std::int64_t width);

/// Keeps its buffers between calls of one size: nothing is allocated then on the CPU. Not thread-safe;
/// uses ATen's threads. The result doesn't depend on their number.
class ScreenedPoisson {
 public:
  /// start, right [1,1,H,W] float32, H and W ≥ 1, on one device; mu > 0; cycles ≥ 1 → f, a new tensor. Two
  /// cycles from a start that has the low frequencies right come within .2 of 255 gray levels rms at μ =
  /// .003.
  at::Tensor solve(const at::Tensor& start, const at::Tensor& right, double mu, int cycles);

  /// The same cycles as ATen operations, which other devices than the CPU use; for its test.
  at::Tensor solve_with_aten(const at::Tensor& start, const at::Tensor& right, double mu, int cycles);

 private:
  /// One resolution. The planes have a border of zeros one cell wide.
  struct Level {
    PoissonAxis rows, columns;
    std::vector<float> solution, other, right;
  };
  /// The same for ATen.
  struct TensorLevel {
    at::Tensor up, down, left, right, diagonal, red;  // coefficients, broadcast over the plane
    at::Tensor lean[4];                               // to coarser: first, second of columns, of rows
    at::Tensor share[2];                              // of columns and rows
  };

  void resize(std::int64_t height, std::int64_t width);
  void resize_tensors(at::Device device);
  void cycle(std::size_t level, float mu);
  at::Tensor cycle(std::size_t level, at::Tensor solution, const at::Tensor& right, double mu) const;

  std::vector<Level> levels_;  // the finest first; the last is one cell
  std::vector<TensorLevel> tensors_;
  std::vector<float> checker_;  // 0, 1, 0, 1, …
};

}  // namespace digfusion
