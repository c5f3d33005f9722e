// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What digfusion-analyse does: fused pictures into the analytics graph, what comes out of it to the window
// and as lines of JSON to their sinks. Three pipelines (graph.h, pipelines/common/fusion.h, display.h) and
// the sinks' threads; here they are put together.
#pragma once

#include "pipelines/analyse/options.h"
#include "pipelines/common/options.h"

namespace digfusion::pipelines {

/// The program's exit code. Throws Failure.
int run_analysis(const AnalyseOptions& options, const CommonOptions& common);

/// With --report.
int run_report(const AnalyseOptions& options, const CommonOptions& common);

}  // namespace digfusion::pipelines
