// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tables 1 to 5 of Dig2DIG: what is fused how, and the reports. The lumas of each pair are fused through the
// same door as the element's frames (core/interface/interface.h) and scored as `digfusion score` does.
#pragma once

#include <string>
#include <vector>

#include "core/tools/reproduce_data.h"
#include "core/tools/reproduce_report.h"

namespace digfusion::tools {

/// A row of ours.
struct TableMethod {
  std::string name;
  Parameters parameters;
};

/// The methods of table 1..5 over the user's parameters:
///   1, 2  DIG-N (N steps as the user gave them), the same with this project's temperature, draws and
///   smoothing, w = 1/K,
///         DDFM's EM correction with its 100 steps, and the method that the program uses by itself for such
///         pictures
///   3     the distances l2, l1 and ssim, w = 1/K, and EM with as many steps
///   4     S = 1, 5, 10, 20
///   5     DIG-15, -20, -25, -50 and EM with 100 steps
std::vector<TableMethod> table_methods(int table, const Parameters& parameters, Task task);

/// What the data sets of a table are.
std::vector<Task> table_tasks(int table);

/// One fused picture, or a mean, with its figures.
struct TableEntry {
  std::string dataset;
  ScoreRow score;          ///< method, picture, figures
  double seconds = 0;      ///< of the fusion; NaN for a baseline
  double evaluations = 0;  ///< of the network
};

/// The figure of a column as the paper's tables name them ("PSNR" is there PSNR(a,f) + PSNR(b,f), "MI" here
/// in bits), NaN where there is none.
double paper_figure(const TableEntry& entry, const std::string& column);

/// Runs it and writes tableN.{csv,md,png}, tableN_pictures.csv and the fused pictures
/// (pictures/DATASET/METHOD/). What an earlier run into the same folder with the same settings has done is
/// taken from its record (tableN.json), except for table 5, whose times belong to one run. Throws
/// std::runtime_error.
void reproduce_table(int table, const ReproduceOptions& options);

}  // namespace digfusion::tools
