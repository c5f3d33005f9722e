// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The kernels of kernels.h over a launcher: launch_cpu.h's loops or launch_cuda.h's grids. Each map() and
// reduce() is one kernel (reduce() of many numbers two).
#pragma once

#include "core/device/gradient_bodies.h"
#include "core/device/kernels.h"
#include "core/device/noise_bodies.h"
#include "core/device/view_bodies.h"

namespace digfusion {

template <class Launcher>
class KernelSet : public Kernels {
 public:
  using Block = typename Launcher::Block;

  explicit KernelSet(Launcher launcher) : launch_(launcher) {}

  void place_infrared(const InfraredPlacing& p) const override {
    if (p.columns.weight)
      launch_.map(p.shown, p.from.height, 1,
                  [p] DIGFUSION_HD(int x, int y, int) { p.middle[y * p.shown + x] = widened_at(p, x, y); });
    if (p.columns.weight && p.places)
      launch_.map(p.scaled.width, p.scaled.height, 1, [p] DIGFUSION_HD(int x, int y, int) {
        p.small[y * p.scaled.width + x] = heightened_at(p, x, y);
      });
    launch_.map(p.visible.width, p.visible.height, 1, [p] DIGFUSION_HD(int x, int y, int) {
      p.plane[y * p.visible.width + x] = p.places ? registered_at(p, x, y) : fitted_at(p, x, y);
    });
  }

  void read_planes(const GradientStream& s) const override {
    launch_.map(s.size.width, s.size.height, s.count, [s] DIGFUSION_HD(int x, int y, int k) {
      const PictureView& p = s.arguments->views.source[k];
      const float value = luma_at(p, reflected(x, s.picture.width), reflected(y, s.picture.height));
      s.planes[(std::int64_t(k) * s.size.height + y) * s.size.width + x] = value;
      if (s.levels == 0) return;
      const int u = s.unshuffle, row = y / u, column = x / u, channel = y % u * u + x % u;
      const std::int64_t place = (std::int64_t(k) * (s.size.height / u) + row) * (s.size.width / u) + column;
      store_number(s.network_input, place * (u * u) + channel, value * 2, s.network);
    });
  }

  void find_noise(const GradientStream& s) const override {
    const Extent2 e = s.size, white = white_places(e), typical = typical_places(e);
    const int columns = e.width - 4;
    launch_.map(white.width, white.height, s.count, [s, white] DIGFUSION_HD(int x, int y, int k) {
      s.responses[(std::int64_t(k) * white.height + y) * white.width + x] =
          white_response(s.planes + std::int64_t(k) * s.size.area(), s.size, y, x);
    });
    launch_.blocks(2 * s.count, [s, white, typical] DIGFUSION_HD(int item, Block& block) {
      const int k = item / 2;
      if (item % 2 == 0)
        s.numbers->white_found[k] =
            flattest(block, s.responses + std::int64_t(k) * white.area(), white.area());
      else
        s.numbers->typical[k] =
            typical_difference(block, s.planes + std::int64_t(k) * s.size.area(), s.size, typical);
    });
    launch_.map(columns, column_parts, 2 * s.count, [s, columns] DIGFUSION_HD(int x, int part, int item) {
      const int k = item / 2, half = item % 2, height = s.size.height;
      const int first = half ? height / 2 : 0, rows = (half ? height : height / 2) - first;
      const float limit = static_cast<float>(2 * 1.4826 * s.numbers->typical[k] + 1e-3 / 127.5);
      float sum = 0;
      for (int y = first + rows * part / column_parts; y < first + rows * (part + 1) / column_parts; ++y)
        sum += within(fourth_difference_at(s.planes + (std::int64_t(k) * height + y) * s.size.width + x),
                      -limit, limit);
      s.differences[(std::int64_t(item) * column_parts + part) * columns + x] = sum;
    });
    launch_.blocks(2 * s.count, [s, columns] DIGFUSION_HD(int item, Block& block) {
      const int k = item / 2;
      s.numbers->column_found[k][item % 2] = column_median(block, s, columns, k, item % 2 ? -1.f : 1.f);
    });
    launch_.map(s.count, 1, 1, [s] DIGFUSION_HD(int k, int, int) { decide_noise(s, k); });
  }

  void take_noise_away(const GradientStream& s, const NetworkMap& fine,
                       const NoiseRows& rows) const override {
    launch_.map(s.size.width, s.size.height, s.count, [s] DIGFUSION_HD(int x, int y, int k) {
      s.first[(std::int64_t(k) * s.size.height + y) * s.size.width + x] =
          box_at(map_of(s.planes, s.size, k), s.size, 1, y, x);
    });
    launch_.map(s.size.width, s.size.height, s.count, [s, fine, rows] DIGFUSION_HD(int x, int y, int k) {
      const std::int64_t at = (std::int64_t(k) * s.size.height + y) * s.size.width + x;
      const float noisy = s.planes[at];
      if (rows.row[k] < 0) {
        s.clean[at] = noisy;
        return;
      }
      const float blurred = box_at(map_of(s.first, s.size, k), s.size, 1, y, x);
      const int u = s.unshuffle;
      s.clean[at] = blurred + (noisy - blurred) * s.numbers->skip[k] +
                    fine.at(rows.row[k], y % u * u + x % u, y / u, x / u) * s.numbers->scale[k];
    });
  }

  void take_errors(const GradientStream& s, const NetworkMap& side) const override {
    launch_.map(side.size.width, side.size.height, s.count, [s, side] DIGFUSION_HD(int x, int y, int k) {
      s.error[(std::int64_t(k) * side.size.height + y) * side.size.width + x] =
          mean_log_error(s, side, x, y, k);
    });
  }

  void follow_scene(const GradientStream& s) const override {
    find_cut(s);
    const Extent2 e1 = s.size1(), e2 = s.size2(), e3 = s.size3();
    launch_.map(e1.width, e1.height, s.count, [s, e1] DIGFUSION_HD(int x, int y, int k) {
      const std::int64_t at = (std::int64_t(k) * e1.height + y) * e1.width + x;
      const float now = halved_at(map_of(s.clean, s.size, k), s.size, y, x);
      s.now[at] = now;
      s.change[at] = s.numbers->fresh ? 0.f : now - s.mean_past[at];
    });
    launch_.map(e2.width, e2.height, s.count, [s, e1, e2] DIGFUSION_HD(int x, int y, int k) {
      const std::int64_t at = (std::int64_t(k) * e2.height + y) * e2.width + x;
      s.blocks[at] = halved_at(map_of(s.now, e1, k), e1, y, x);
      s.change2[at] = halved_at(map_of(s.change, e1, k), e1, y, x);
    });
    launch_.map(e3.width, e3.height, s.count, [s, e2, e3] DIGFUSION_HD(int x, int y, int k) {
      const std::int64_t at = (std::int64_t(k) * e3.height + y) * e3.width + x;
      const MapValue blocks = map_of(s.blocks, e2, k);
      const auto square = [&](int j, int i) { return blocks(j, i) * blocks(j, i); };
      s.blocks3[at] = halved_at(blocks, e2, y, x);
      s.squares3[at] = halved_at(square, e2, y, x);
      s.change3[at] = halved_at(map_of(s.change2, e2, k), e2, y, x);
    });
    launch_.blocks(s.count, [s, e3] DIGFUSION_HD(int k, Block& block) {
      s.numbers->shift[k] = median_of(block, s.change3 + std::int64_t(k) * e3.area(), e3.area());
    });
    launch_.map(e2.width, e2.height, s.count,
                [s, e1, e2, e3] DIGFUSION_HD(int x, int y, int k) { motion_at(s, e1, e2, e3, x, y, k); });
    launch_.map(e3.width, e3.height, s.count, [s, e2, e3] DIGFUSION_HD(int x, int y, int k) {
      s.energy3[(std::int64_t(k) * e3.height + y) * e3.width + x] =
          halved_at(map_of(s.energy, e2, k), e2, y, x);
    });
    launch_.blocks(s.count, [s, e3] DIGFUSION_HD(int k, Block& block) {
      s.numbers->quiet[k] = quarter_of(block, s.energy3 + std::int64_t(k) * e3.area(), e3.area());
    });
    launch_.reduce(
        s.count, e2.area(),
        [s, e2] DIGFUSION_HD(int k, int i) {
          return Sums{double(dilated_at(map_of(s.motion, e2, k), e2, i % e2.width, i / e2.width)), 0};
        },
        [s, e2] DIGFUSION_HD(int k, Sums sums) { s.numbers->moving[k] = sums.first / e2.area(); });
    launch_.map(1, 1, 1, [s] DIGFUSION_HD(int, int, int) { follow_numbers(s); });
    launch_.map(e2.width, e2.height, 1, [s, e2] DIGFUSION_HD(int x, int y, int) {
      const StreamNumbers& n = *s.numbers;
      float motion = static_cast<float>(n.renewal);
      for (int k = 0; k < s.count; ++k)
        motion = larger(motion, dilated_at(map_of(s.motion, e2, k), e2, x, y));
      const float still = s.arguments->settings.still_share;
      s.share[y * e2.width + x] = n.fresh ? 1.f : motion * (1 - still) + still;
    });
    launch_.map(e1.width, e1.height, s.count, [s, e1, e2] DIGFUSION_HD(int x, int y, int k) {
      const std::int64_t at = (std::int64_t(k) * e1.height + y) * e1.width + x;
      const float now = s.now[at];
      if (s.numbers->fresh) {
        s.mean[at] = now;
        return;
      }
      const float before = s.mean_past[at] + s.numbers->shift[k];
      s.mean[at] = before + enlarged_at(map_of(s.share, e2, 0), e2, 2, y, x) * (now - before);
    });
    launch_.reduce(
        s.count, s.size.area(),
        [s] DIGFUSION_HD(int k, int i) {
          return Sums{double(s.clean[std::int64_t(k) * s.size.area() + i]), 0};
        },
        [s] DIGFUSION_HD(int k, Sums sums) {
          double& mean = s.numbers->next.source_mean[k];
          const double now = sums.first / s.size.area(), share = s.numbers->share;
          mean = share == 1 ? now : mean + share * (now - mean);
        });
  }

  void weigh(const GradientStream& s) const override {
    blur(s.clean + s.size.area(), s.size, s.heat_shrink, s.heat_taps, s.count - 1, s.heat_small,
         s.heat_middle);
    launch_.map(s.size.width, s.size.height, s.count, [s] DIGFUSION_HD(int x, int y, int k) {
      s.first[(std::int64_t(k) * s.size.height + y) * s.size.width + x] =
          sobel_energy_at(map_of(s.clean, s.size, k), s.size, x, y);
    });
    const int cell = 2 * s.unshuffle;
    const Extent2 errors{s.size.height / cell, s.size.width / cell};
    launch_.map(s.size.width, s.size.height, s.count, [s, errors] DIGFUSION_HD(int x, int y, int k) {
      s.second[(std::int64_t(k) * s.size.height + y) * s.size.width + x] =
          log_evidence(s, s.first, errors, x, y, k);
    });
    launch_.map(s.size.width, s.size.height, s.count, [s] DIGFUSION_HD(int x, int y, int k) {
      const float* row = s.second + (std::int64_t(k) * s.size.height + y) * s.size.width;
      const int left = larger(x - 3, 0), right = smaller(x + 3, s.size.width - 1);
      float sum = 0;
      for (int i = left; i <= right; ++i) sum += row[i];
      s.first[(std::int64_t(k) * s.size.height + y) * s.size.width + x] =
          sum / static_cast<float>(right - left + 1);
    });
    launch_.map(s.size.width, s.size.height, 1,
                [s] DIGFUSION_HD(int x, int y, int) { weights_at(s, s.first, x, y); });
    launch_.reduce(
        1, s.picture.area(),
        [s] DIGFUSION_HD(int, int i) {
          const int x = i % s.picture.width, y = i / s.picture.width;
          return Sums{double(s.weights[std::int64_t(y) * s.size.width + x]), 0};
        },
        [s] DIGFUSION_HD(int, Sums sums) { s.numbers->infrared_share = 1 - sums.first / s.picture.area(); });
  }

  void make_base(const GradientStream& s) const override {
    blur(s.weights, s.size, s.base_shrink, s.base_taps, s.count, s.base_small, s.base_middle);
    launch_.map(s.size.width, s.size.height, 1, [s] DIGFUSION_HD(int x, int y, int) {
      s.base[std::int64_t(y) * s.size.width + x] = base_at(s, x, y);
    });
    launch_.reduce(
        1, s.size.area(),
        [s] DIGFUSION_HD(int, int i) {
          const double value = s.base[i];
          return Sums{value, value * value};
        },
        [s] DIGFUSION_HD(int, Sums sums) {
          LongNumbers& next = s.numbers->next;
          const double mean = sums.first / s.size.area(), share = s.numbers->share,
                       deviation = sqrt(larger(sums.second / s.size.area() - mean * mean, 0.));
          next.base_mean = share == 1 ? mean : next.base_mean + share * (mean - next.base_mean);
          next.base_deviation =
              share == 1 ? deviation : next.base_deviation + share * (deviation - next.base_deviation);
        });
    launch_.map(s.size.width, s.size.height, 1,
                [s] DIGFUSION_HD(int x, int y, int) { start_solution(s, x, y); });
  }

  void solve(const GradientStream& s) const override {
    // From here on a grid is too small to fill a GPU, and one block of threads does the rest of the cycle.
    int fine = 0;
    while (fine < s.grids && s.grid[fine].size.area() > 8192) ++fine;
    for (int i = 0; i < s.cycles; ++i) {
      for (int n = 0; n < fine; ++n) {
        sweep(s.grid[n], s.screening);
        if (n + 1 < s.grids) restrict_grid(s.grid[n], s.grid[n + 1], s.screening);
      }
      if (fine < s.grids) {
        const PoissonGrid* grid = s.grid_on_device;
        const int grids = s.grids;
        const float mu = s.screening;
        launch_.blocks(1, [grid, fine, grids, mu] DIGFUSION_HD(int, Block& block) {
          coarse_cycle(block, grid, fine, grids, mu);
        });
      }
      for (int n = fine - 1; n >= 0; --n) {
        if (n + 1 < s.grids) prolong_grid(s.grid[n], s.grid[n + 1]);
        sweep(s.grid[n], s.screening);
      }
    }
  }

  void fit_tone(const GradientStream& s) const override {
    launch_.map(tone_bins, 1, 1, [s] DIGFUSION_HD(int i, int, int) {
      s.histogram[i] = 0;
      if (i == 0) s.numbers->holes = 0;
    });
    launch_.map(s.size.width, s.size.height, 1, [s] DIGFUSION_HD(int x, int y, int) {
      const float value = s.solution[std::int64_t(y) * s.size.width + x];
      if (value >= -tone_reach && value <= tone_reach)
        count_up(
            s.histogram +
            smaller(static_cast<int>((value + tone_reach) * (tone_bins / (2 * tone_reach))), tone_bins - 1));
    });
    launch_.blocks(1, [s] DIGFUSION_HD(int, Block& block) { find_tone(block, s); });
    launch_.map(s.size.width, s.size.height, 1,
                [s] DIGFUSION_HD(int x, int y, int) { finish_pixel(s, x, y); });
  }

  void commit(const GradientStream& s) const override {
    const Extent2 e1 = s.size1(), e2 = s.size2();
    launch_.map(s.size.width, s.size.height, s.count, [s, e1, e2] DIGFUSION_HD(int x, int y, int k) {
      if (s.numbers->holes > 0) return;
      const std::int64_t at = (std::int64_t(k) * s.size.height + y) * s.size.width + x;
      s.weights_past[at] = s.weights[at];
      if (k == 0) s.fused_past[at] = s.fused[at];
      if (y < e1.height && x < e1.width) {
        const std::int64_t half = (std::int64_t(k) * e1.height + y) * e1.width + x;
        s.mean_past[half] = s.mean[half];
      }
      if (y < e2.height && x < e2.width) {
        const std::int64_t quarter = (std::int64_t(k) * e2.height + y) * e2.width + x;
        s.contrast_past[quarter] = s.contrast[quarter];
      }
      if (y < 16 && x < 16) s.thumbnails_past[(k * 16 + y) * 16 + x] = s.thumbnails[(k * 16 + y) * 16 + x];
    });
    launch_.map(1, 1, 1, [s] DIGFUSION_HD(int, int, int) {
      StreamNumbers& n = *s.numbers;
      n.next.valid = n.next.noise_valid = 1;
      if (n.holes == 0) {
        n.past = n.next;
        return;
      }
      // A restart that failed leaves nothing that the next frame could go on from.
      if (s.arguments->settings.restart) n.past.valid = 0;
      if (s.arguments->settings.restart_noise) n.past.noise_valid = 0;
    });
  }

  void write_planes(const GradientStream& s, int copies, int copy_width, int copy_rows) const override {
    copy_rows_of(s, copies, copy_width, copy_rows);
    launch_.map(s.picture.width, s.picture.height, 1, [s] DIGFUSION_HD(int x, int y, int) {
      const FrameViews& views = s.arguments->views;
      write_luma(views.source[0], views.output, x, y, s.fused[std::int64_t(y) * s.size.width + x]);
    });
  }

  void write_view(const GradientStream& s, const ViewExtent& output, bool has_palette) const override {
    if (has_palette) {
      const Extent2 e = s.around_grid;
      const double sigma = smaller(e.width, e.height) / 4.;
      launch_.map(e.width, e.height, 1, [s, e] DIGFUSION_HD(int x, int y, int) {
        const auto value = [&](int i, int j) { return infrared_at(s, i, j); };
        s.around[y * e.width + x] = static_cast<float>(area_mean(value, s.picture, e, x, y));
      });
      launch_.map(e.width, e.height, 1, [s, e, sigma] DIGFUSION_HD(int x, int y, int) {
        const auto value = [&](int i) { return s.around[y * e.width + i]; };
        s.around_middle[y * e.width + x] = wide_mean(value, e.width, sigma, x);
      });
      launch_.map(e.width, e.height, 1, [s, e, sigma] DIGFUSION_HD(int x, int y, int) {
        const auto value = [&](int i) { return s.around_middle[i * e.width + x]; };
        s.around[y * e.width + x] = wide_mean(value, e.height, sigma, y);
      });
    }
    copy_rows_of(s, output.planes, output.row_bytes, output.plane_rows);
    launch_.map(output.columns, output.rows, output.components, [s] DIGFUSION_HD(int x, int y, int c) {
      const ViewSettings& v = s.arguments->view;
      const ComponentView& component = v.component[c];
      if (x < component.output_columns && y < component.rows)
        store_sample(component.output, v.is_wide, x, y, view_sample(s, v, c, x, y));
    });
  }

  void group_norm(const GroupNormCall& c) const override {
    const int each = c.channels / c.groups;
    launch_.reduce(
        c.count * c.groups, c.pixels,
        [c, each] DIGFUSION_HD(int item, int pixel) {
          const std::int64_t first =
              (std::int64_t(item / c.groups) * c.pixels + pixel) * c.channels + item % c.groups * each;
          Sums sums{0, 0};
          for (int i = 0; i < each; ++i) {
            const double value = load_number(c.x, first + i, c.type);
            sums.first += value;
            sums.second += value * value;
          }
          return sums;
        },
        [c, each] DIGFUSION_HD(int item, Sums sums) {
          const int n = item / c.groups, group = item % c.groups;
          const double numbers = double(each) * c.pixels, mean = sums.first / numbers,
                       deviation = sqrt(larger(sums.second / numbers - mean * mean, 0.) + double(c.epsilon));
          for (int i = group * each; i < (group + 1) * each; ++i) {
            double scale = c.weight[i] / deviation, shift = c.bias[i] - mean * scale;
            if (c.film) {
              const double by = 1 + double(c.film[2 * n * c.channels + i]);
              scale *= by;
              shift = shift * by + double(c.film[(2 * n + 1) * c.channels + i]);
            }
            c.factors[2 * n * c.channels + i] = static_cast<float>(scale);
            c.factors[(2 * n + 1) * c.channels + i] = static_cast<float>(shift);
          }
        });
    launch_.map(c.channels, c.pixels, c.count, [c] DIGFUSION_HD(int i, int pixel, int n) {
      const std::int64_t at = (std::int64_t(n) * c.pixels + pixel) * c.channels + i;
      float value = load_number(c.x, at, c.type) * c.factors[2 * n * c.channels + i] +
                    c.factors[(2 * n + 1) * c.channels + i];
      if (c.silu) value /= 1 + expf(-value);
      store_number(c.y, at, value, c.type);
    });
  }

  void guided_step(const GuidedStepCall& c) const override {
    launch_.map(c.numbers, 1, 1, [c] DIGFUSION_HD(int i, int, int) {
      const float x = c.x[i],
                  clean = within((x - c.predicted[i] * c.root_rest) / c.root_alpha_bar, -1.f, 1.f);
      const float guided = clean + c.guidance * (c.target[i] - clean);
      c.next[i] = c.of_x0 * guided + c.of_xt * x + (c.noise ? c.of_noise * c.noise[i] : 0.f);
    });
  }

  void combine(const CombineCall& c) const override {
    launch_.map(c.pixels, 1, 1, [c] DIGFUSION_HD(int i, int, int) {
      float sum = 0, most = -HUGE_VALF;
      for (int k = 0; k < c.count; ++k) {
        const float mean = c.means[std::int64_t(k) * c.pixels + i];
        sum += mean;
        most = larger(most, mean);
      }
      const float average = sum / static_cast<float>(c.count);
      float fused = c.base == 0 ? average : c.base == 2 ? most : (average + most) * 0.5f;
      for (int m = 0; m < c.levels; ++m)
        for (int k = 0; k < c.count; ++k) {
          const std::int64_t at = (std::int64_t(m) * c.count + k) * c.pixels + i;
          const float below = m + 1 < c.levels ? c.means[at + std::int64_t(c.count) * c.pixels]
                                               : c.sources[std::int64_t(k) * c.pixels + i];
          fused += c.weights[at] * (below - c.means[at]);
        }
      c.fused[i] = fused;
    });
  }

  void copy_blocks(const BlockCopies& copies) const override {
    const int unit = unit_of(copies);
    std::int64_t most = 0;
    for (int i = 0; i < copies.count; ++i) most = larger(most, copies.copy[i].bytes);
    launch_.map(static_cast<int>((most + unit - 1) / unit), 1, copies.count,
                [copies, unit] DIGFUSION_HD(int x, int, int i) { copy_unit(copies.copy[i], unit, x); });
  }

  void do_nothing() const override {
    launch_.map(1, 1, 1, [] DIGFUSION_HD(int, int, int) {});
  }

  // Parts of the above, public since nvcc wants functions that hold bodies to be.

  /// What remains of the sources at 16×16, and whether that is another scene.
  void copy_rows_of(const GradientStream& s, int copies, int width, int rows) const {
    launch_.map((width + 3) / 4, rows, copies, [s] DIGFUSION_HD(int x, int y, int p) {
      const PlaneCopy& copy = s.arguments->views.copy[p];
      if (p < s.arguments->views.copies && y < copy.rows && 4 * x < copy.row_bytes) copy_four(copy, x, y);
    });
  }

  void find_cut(const GradientStream& s) const {
    launch_.reduce(
        256 * s.count, (s.size.height / 16 + 2) * (s.size.width / 16 + 2),
        [s] DIGFUSION_HD(int item, int i) {
          const ThumbnailCell cell(s.size, item % 256);
          if (i >= cell.pixels()) return Sums{0, 0};
          const int y = cell.top + i / cell.width, x = cell.left + i % cell.width;
          return Sums{double(map_of(s.clean, s.size, item / 256)(y, x)), 0};
        },
        [s] DIGFUSION_HD(int item, Sums sums) {
          s.thumbnails[item] = static_cast<float>(sums.first / ThumbnailCell(s.size, item % 256).pixels());
        });
    launch_.reduce(
        1, 256 * s.count,
        [s] DIGFUSION_HD(int, int i) {
          return Sums{
              s.numbers->past.valid ? fabs(double(s.thumbnails[i]) - double(s.thumbnails_past[i])) : 0, 0};
        },
        [s] DIGFUSION_HD(int, Sums sums) {
          const GradientSettings& settings = s.arguments->settings;
          s.numbers->fresh = settings.restart || !s.numbers->past.valid || settings.adaptation >= 1 ||
                             sums.first / (256 * s.count) > 0.1;
        });
  }

  /// A Gaussian of large σ on a grid that is coarser by `shrink`: maps [count, e] → small [count, …].
  void blur(const float* maps, Extent2 e, int shrink, const Taps& taps, int count, float* small,
            float* middle) const {
    const Extent2 to{(e.height + shrink - 1) / shrink, (e.width + shrink - 1) / shrink};
    launch_.map(to.width, to.height, count, [maps, e, shrink, to, small] DIGFUSION_HD(int x, int y, int k) {
      const MapValue map = map_of(maps, e, k);
      const int bottom = smaller((y + 1) * shrink, e.height), right = smaller((x + 1) * shrink, e.width);
      float sum = 0;
      for (int j = y * shrink; j < bottom; ++j)
        for (int i = x * shrink; i < right; ++i) sum += map(j, i);
      small[(std::int64_t(k) * to.height + y) * to.width + x] =
          sum / static_cast<float>((bottom - y * shrink) * (right - x * shrink));
    });
    launch_.map(to.width, to.height, count, [to, small, middle, taps] DIGFUSION_HD(int x, int y, int k) {
      const float* row = small + (std::int64_t(k) * to.height + y) * to.width;
      middle[(std::int64_t(k) * to.height + y) * to.width + x] =
          mean_along([&](int i) { return row[i]; }, to.width, taps, x);
    });
    launch_.map(to.width, to.height, count, [to, small, middle, taps] DIGFUSION_HD(int x, int y, int k) {
      const MapValue map = map_of(middle, to, k);
      small[(std::int64_t(k) * to.height + y) * to.width + x] =
          mean_along([&](int j) { return map(j, x); }, to.height, taps, y);
    });
  }

  void sweep(const PoissonGrid& grid, float mu) const {
    for (int i = 0; i < 2 * multigrid_sweeps; ++i) {
      const int half = i & 1;
      launch_.map((grid.size.width + 1) / 2, grid.size.height, 1,
                  [grid, mu, half] DIGFUSION_HD(int x, int y, int) { relax(grid, mu, half, x, y); });
    }
  }
  void restrict_grid(const PoissonGrid& fine, const PoissonGrid& coarse, float mu) const {
    launch_.map(coarse.size.width, coarse.size.height, 1,
                [fine, coarse, mu] DIGFUSION_HD(int x, int y, int) { restrict_to(fine, coarse, mu, x, y); });
  }
  void prolong_grid(const PoissonGrid& fine, const PoissonGrid& coarse) const {
    launch_.map(fine.size.width, fine.size.height, 1,
                [fine, coarse] DIGFUSION_HD(int x, int y, int) { prolong_to(fine, coarse, x, y); });
  }

 private:
  Launcher launch_;
};

}  // namespace digfusion
