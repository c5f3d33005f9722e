// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/plot.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "core/tools/output_file.h"
#include "core/tools/subprocess.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

// Okabe and Ito's colours, which the colour-blind can tell apart.
constexpr const char* palette[] = {"#0072B2", "#D55E00", "#009E73", "#999999",
                                   "#CC79A7", "#E69F00", "#56B4E9"};
constexpr int panel_width = 440, curve_height = 330, bar_height = 19, panel_margin = 80, title_height = 44;

const char* colour_of(int number) { return palette[static_cast<std::size_t>(number) % std::size(palette)]; }

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') result += '\\';
    result += letter == '\n' ? ' ' : letter;
  }
  return result + "\"";
}

int height_of(const Panel& panel) {
  return panel.bars.empty() ? curve_height : panel_margin + bar_height * static_cast<int>(panel.bars.size());
}

std::string block_name(std::size_t panel, std::size_t series) {
  return "$d" + std::to_string(panel) + "_" + std::to_string(series);
}

void write_data(std::ostream& out, const Panel& panel, std::size_t number) {
  for (std::size_t c = 0; c < panel.curves.size(); ++c) {
    const Curve& curve = panel.curves[c];
    out << block_name(number, c) << " << END\n";
    for (std::size_t i = 0; i < curve.y.size(); ++i) {
      if (!std::isfinite(curve.x[i]) || !std::isfinite(curve.y[i])) continue;
      out << curve.x[i] << ' ' << curve.y[i];
      if (!curve.low.empty()) out << ' ' << curve.low[i] << ' ' << curve.high[i];
      out << '\n';
    }
    out << "END\n";
  }
  if (panel.bars.empty()) return;
  out << block_name(number, 0) << " << END\n";
  int row = 0;
  for (const Bar& bar : panel.bars) {
    if (std::isfinite(bar.value))
      out << row << ' ' << bar.value << " 0x" << (colour_of(bar.colour) + 1) << ' ' << quoted(bar.label)
          << '\n';
    ++row;
  }
  out << "END\n";
}

void draw_curves(std::ostream& out, const Panel& panel, std::size_t number) {
  out << "set xrange [*:*] " << (panel.falling_x ? "reverse" : "noreverse")
      << "\nset yrange [*:*] noreverse\n"
      << "set border 3 linecolor rgb \"#555555\"\nset grid xtics ytics linecolor rgb \"#dddddd\" linetype "
         "1\nset xtics nomirror autofreq\n"
      << "set ytics scale 1 nomirror autofreq\nset offsets 0,0,graph 0.3,0\nset key top left opaque\n";
  const char* separator = "plot ";
  for (std::size_t c = 0; c < panel.curves.size(); ++c) {
    if (panel.curves[c].low.empty()) continue;
    out << separator << block_name(number, c)
        << " using 1:3:4 with filledcurves notitle fillstyle transparent solid 0.2 "
        << "linecolor rgb \"" << colour_of(panel.curves[c].colour) << '"';
    separator = ", ";
  }
  for (std::size_t c = 0; c < panel.curves.size(); ++c) {
    out << separator << block_name(number, c) << " using 1:2 with lines title "
        << quoted(panel.curves[c].label) << " linewidth 2 linecolor rgb \""
        << colour_of(panel.curves[c].colour) << '"';
    separator = ", ";
  }
  out << '\n';
}

void draw_bars(std::ostream& out, const Panel& panel, std::size_t number) {
  const std::string data = block_name(number, 0);
  double low = 0, high = 0;
  for (const Bar& bar : panel.bars)
    if (std::isfinite(bar.value)) low = std::min(low, bar.value), high = std::max(high, bar.value);
  const double room = (high - low > 0 ? high - low : 1) * .22;  // for the figures
  out << "set yrange [" << static_cast<double>(panel.bars.size()) - .4 << ":-0.6]\nset xrange ["
      << (low < 0 ? low - room : 0) << ':' << high + room
      << "] noreverse\nset nokey\nunset offsets\nset border 2 linecolor rgb \"#555555\"\nunset grid\nunset "
         "xtics\nset ytics "
         "scale 0 (";
  for (std::size_t i = 0; i < panel.bars.size(); ++i)
    out << (i > 0 ? ", " : "") << quoted(panel.bars[i].label) << ' ' << i;
  out << ")\nplot " << data
      << " using ($2/2):1:(abs($2)/2):(0.36):3 with boxxyerror notitle fillstyle solid 0.85 noborder "
      << "linecolor rgb variable, " << data << " using ($2>0?$2:0):1:(sprintf(\" %." << panel.decimals
      << "f\",$2)) with labels left notitle\n";
}

}  // namespace

std::string plot_script(const Plot& plot, const fs::path& png) {
  const int columns = std::max(plot.columns, 1);
  const int rows = (static_cast<int>(plot.panels.size()) + columns - 1) / columns;
  int tallest = 0;
  for (const Panel& panel : plot.panels) tallest = std::max(tallest, height_of(panel));
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(9);
  out << "# Made by digfusion; run gnuplot on it to draw it anew.\n"
      << "set encoding utf8\nset terminal pngcairo noenhanced size " << columns * panel_width << ","
      << rows * tallest + title_height << " font \"sans,10\"\nset output " << quoted(png.string()) << "\n"
      << "set tics nomirror\n";
  for (std::size_t i = 0; i < plot.panels.size(); ++i) write_data(out, plot.panels[i], i);
  out << "set multiplot layout " << rows << "," << columns << " title " << quoted(plot.title)
      << " font \"sans,12\"\n";
  for (std::size_t i = 0; i < plot.panels.size(); ++i) {
    const Panel& panel = plot.panels[i];
    out << "set title " << quoted(panel.title) << "\nset xlabel " << quoted(panel.x_label) << "\nset ylabel "
        << quoted(panel.y_label) << '\n';
    panel.bars.empty() ? draw_curves(out, panel, i) : draw_bars(out, panel, i);
  }
  out << "unset multiplot\n";
  return out.str();
}

std::optional<std::string> write_plot(const Plot& plot, const fs::path& png) {
  const std::string script = plot_script(plot, png);
  fs::path script_path = png;
  script_path.replace_extension(".gp");
  check_output(png);
  write_file(script_path, script.data(), script.size());
  const std::string missing = "no " + png.filename().string() + ": ";
  try {
    const ProcessResult result = run_process({"gnuplot", script_path.string()});
    if (result.exit_code == 0) return {};
    return missing + "gnuplot failed: " + result.err;
  } catch (const std::system_error&) {
    return missing +
           "the program gnuplot, which draws it, isn't there; install it (Debian: apt-get install "
           "gnuplot-nox) and run: gnuplot " +
           script_path.string();
  }
}

}  // namespace digfusion::tools
