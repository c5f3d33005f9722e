// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Diagrams as PNG, drawn by gnuplot: a program that is only run (Debian: gnuplot-nox), so that nothing of it
// is linked, and whose script stays beside the picture for who wants it otherwise.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace digfusion::tools {

struct Curve {
  std::string label;
  std::vector<double> x, y;
  std::vector<double> low, high;  ///< a band around it; both empty or as long as y
  int colour = 0;                 ///< number in the palette; the same number is the same colour everywhere
};

struct Bar {
  std::string label;
  double value;
  int colour = 0;
};

/// Curves or bars (which lie one below the other, from 0 on, each with its figure).
struct Panel {
  std::string title, x_label, y_label;
  std::vector<Curve> curves{};
  std::vector<Bar> bars{};
  bool falling_x = false;  ///< larger x to the left, as timesteps run
  int decimals = 3;        ///< of the bars' figures
};

struct Plot {
  std::string title;
  std::vector<Panel> panels;
  int columns = 1;  ///< panels in a row
};

/// The gnuplot script that draws it to `png`: text and data in one. Points that aren't finite are left out.
std::string plot_script(const Plot& plot, const std::filesystem::path& png);

/// Writes `png` and, with the ending .gp, its script. Returns what to tell the user when there is no picture:
/// gnuplot isn't installed (with the package's name), or what it complained of. Throws std::runtime_error
/// when a file can't be written.
std::optional<std::string> write_plot(const Plot& plot, const std::filesystem::path& png);

}  // namespace digfusion::tools
