// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which methods of ours stand in each table of `digfusion reproduce`, on what pictures.
#pragma once

#include <string>
#include <vector>

#include "core/parameters/parameters.h"

namespace digfusion::tools {

/// A row of ours.
struct TableMethod {
  std::string name;
  Parameters parameters;
};

/// What the data sets of a table (1..5) are.
std::vector<Task> table_tasks(int table);

/// The methods of table 1..5 over the user's parameters:
///   1, 2  DIG-N (N steps as the user gave them), the same with this project's temperature, draws and
///         smoothing, w = 1/K, DDFM's EM correction with its 100 steps, and the method that the program uses
///         by itself for such pictures
///   3     the distances l2, l1 and ssim, w = 1/K, and EM with as many steps
///   4     S = 1, 5, 10, 20
///   5     DIG-15, -20, -25, -50 and EM with 100 steps
std::vector<TableMethod> table_methods(int table, const Parameters& parameters, Task task);

}  // namespace digfusion::tools
