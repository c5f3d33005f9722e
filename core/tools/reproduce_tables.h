// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tables 1 to 5 of Dig2DIG. The lumas of each pair are fused through the same door as the element's frames
// (luma_fuser.h) and scored as `digfusion score` does.
#pragma once

#include "core/tools/reproduce_report.h"

namespace digfusion::tools {

/// Runs table 1..5 and writes tableN.{csv,md}, its diagrams, tableN_pictures.csv and the fused pictures
/// (pictures/DATASET/METHOD/). What an earlier run into the same folder with the same settings has done is
/// taken from its record (tableN.json), except for table 5, whose times belong to one run. Throws
/// std::runtime_error.
void reproduce_table(int table, const ReproduceOptions& options);

}  // namespace digfusion::tools
