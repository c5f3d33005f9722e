// SPDX-License-Identifier: LGPL-2.1-or-later
#include <cstdio>
#include <optional>

#include "pipelines/analyse/analysis.h"
#include "pipelines/analyse/report.h"
#include "pipelines/common/failure.h"
#include "pipelines/common/fusion.h"
#include "pipelines/common/program.h"

namespace digfusion::pipelines {
namespace {

/// "HOG, scale 1.5, threshold 0.6"
std::string describe(const DetectorOptions& options, const Detector& detector) {
  const auto with = [](const char* what, double value) {
    char text[48];
    std::snprintf(text, sizeof text, ", %s %g", what, value);
    return std::string(text);
  };
  const bool is_hog = options.model.empty();
  return detector.name() +
         (is_hog ? with("scale", options.scale) : with("overlap of boxes below", options.nms)) +
         with("threshold", options.threshold.value_or(is_hog ? DetectorOptions::hog_threshold
                                                             : DetectorOptions::model_threshold));
}

}  // namespace

int run_report(const AnalyseOptions& options, const CommonOptions& common) {
  const SourceOptions sources = common.sources();
  const std::string scene = "the scene " + sources.pattern;
  std::unique_ptr<Detector> detector = make_detector(options.detector);
  const ReportFacts facts{sources.visible ? sources.visible->text() : scene,
                          sources.infrared ? sources.infrared->text() : scene,
                          describe(options.detector, *detector)};
  Report report(options.report, std::move(detector), facts);

  Program program(program_name, common.quiet());
  std::uint64_t unfused = 0;
  std::optional<Fusion> fusion;
  fusion.emplace(program, common, Hurry::keep_all,
                 Fusion::Callbacks{.on_fused =
                                       [&](Frame frame) {
                                         const std::uint64_t now = fusion->status().unfused;
                                         if (std::exchange(unfused, now) != now) return;
                                         report.add({fusion->visible().nearest(frame.time()),
                                                     fusion->infrared().nearest(frame.time()), frame});
                                       },
                                   .on_visible = {},
                                   .on_infrared = {},
                                   .on_change = {},
                                   .on_end = [&] { program.quit(); }});
  fusion->start();
  const int exit_code = program.run([&] { fusion->end(); });
  fusion.reset();  // its threads still use the report
  if (exit_code == 0) program.say(report.write());
  return exit_code;
}

}  // namespace digfusion::pipelines
