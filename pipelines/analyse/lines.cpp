// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/lines.h"

#include <cmath>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace digfusion::pipelines {

namespace {

using Json = nlohmann::ordered_json;

/// Thousandths are as much as any of our numbers means.
double rounded(double value) { return std::round(value * 1000) / 1000; }

Json to_json(const cv::Rect& box) { return {box.x, box.y, box.width, box.height}; }

}  // namespace

std::string iso_8601(std::chrono::system_clock::time_point time) {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = milliseconds / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char day[32], text[48];
  std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text, sizeof text, "%s.%03dZ", day, static_cast<int>(milliseconds % 1000));
  return text;
}

std::string json_line(const FrameFacts& facts, const Findings& findings) {
  Json line = {{"time", iso_8601(facts.time)}, {"running_time", rounded(facts.running_time)},
               {"frame", facts.frame},         {"size", {facts.size.width, facts.size.height}},
               {"fused", facts.fused},         {"objects", Json::array()},
               {"motion", Json::array()}};
  for (const FoundObject& object : findings.objects)
    line["objects"].push_back({{"type", object.detection.type},
                               {"id", object.detection.id},
                               {"box", to_json(object.detection.box)},
                               {"confidence", rounded(object.detection.confidence)},
                               {"age", rounded(object.age)}});
  for (const MotionArea& area : findings.motion)
    line["motion"].push_back({{"box", to_json(area.box)}, {"cells", area.cells}, {"age", rounded(area.age)}});
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace digfusion::pipelines
