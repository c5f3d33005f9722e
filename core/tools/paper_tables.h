// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The figures of the tables of Dig2DIG (arXiv 2503.18627), as printed there: paper_tables.csv, which is built
// into the program.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace digfusion::tools {

struct PaperFigure {
  int table;
  std::string dataset;  ///< "LLVIP", "M3FD", "MSRS"; "MFFW", "MEFB"
  std::string method;   ///< "Dig2DIG", "DDFM", …; "distance=l2", "S=10", "DIG-25"
  std::string metric;   ///< "PSNR", "SSIM", …, "seconds" (a picture, on the authors' machine)
  double value;
};

/// Every figure, in the order of the paper.
std::span<const PaperFigure> paper_figures();

/// The columns of a table, in the order of the paper.
std::vector<std::string> paper_columns(int table);

/// A method on a data set.
struct PaperRow {
  std::string dataset, method;
  std::vector<double> values;  ///< one for each of paper_columns(), NaN where there is none
};

/// The rows of a table, in the order of the paper.
std::vector<PaperRow> paper_rows(int table);

}  // namespace digfusion::tools
