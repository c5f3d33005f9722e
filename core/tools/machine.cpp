// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/machine.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace digfusion::tools {
namespace {

// The value of a line "key : value" in /proc/cpuinfo.
std::string processor_field(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(' ', colon + 1);
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return {};
}

}  // namespace

Machine this_machine() {
  Machine machine;
  machine.processor = processor_field("model name");
  if (machine.processor.empty()) machine.processor = "unknown";
  machine.cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::string features = processor_field("flags");
  if (features.empty()) features = processor_field("Features");  // Arm
  std::istringstream words(features);
  std::set<std::string> present;
  for (std::string word; words >> word;) present.insert(word);
  for (const char* name :
       {"avx2", "fma", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "sve", "bf16"})
    if (present.contains(name))
      machine.instructions += (machine.instructions.empty() ? "" : " ") + std::string(name);
  double load[1];
  machine.load = getloadavg(load, 1) == 1 ? load[0] : -1;
  return machine;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[16];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d", &local)};
}

}  // namespace digfusion::tools
