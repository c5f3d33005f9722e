// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/detector.h"

#include "pipelines/analyse/hog.h"
#include "pipelines/analyse/yolo.h"
#include "pipelines/common/failure.h"

namespace digfusion::pipelines {

std::unique_ptr<Detector> make_detector(const DetectorOptions& options) {
  if (!options.model.empty()) return std::make_unique<YoloDetector>(options);
  if (!options.classes.empty())
    throw UsageFailure("--classes names a model's classes: give --detector as well");
  for (const std::string& name : options.only)
    if (name != Detection().type)
      throw UsageFailure("--only " + name + ": without --detector only people are found");
  return std::make_unique<HogDetector>(options.threshold.value_or(DetectorOptions::hog_threshold),
                                       options.scale);
}

}  // namespace digfusion::pipelines
