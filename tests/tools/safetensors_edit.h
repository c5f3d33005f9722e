// SPDX-License-Identifier: LGPL-2.1-or-later
//
// safetensors files as their two parts, without torch: tests make others of one by changing its header.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/core/metrics/temporary_folder.h"

namespace digfusion::tools {

struct SafetensorsParts {
  nlohmann::json header = nlohmann::json::object();
  std::string data;

  std::string bytes() const {
    const std::string text = header.dump();
    const std::uint64_t size = text.size();
    return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text + data;
  }
  /// A tensor's numbers.
  std::string at(const std::string& name) const {
    const nlohmann::json& offsets = header.at(name).at("data_offsets");
    return data.substr(offsets.at(0), offsets.at(1).get<std::size_t>() - offsets.at(0).get<std::size_t>());
  }
  template <class Number>
  void add(const std::string& name, const char* dtype, const std::vector<std::int64_t>& shape,
           const std::vector<Number>& numbers) {
    const std::size_t size = numbers.size() * sizeof(Number);
    header[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {data.size(), data.size() + size}}};
    data.append(reinterpret_cast<const char*>(numbers.data()), size);
  }
};

inline SafetensorsParts read_safetensors_parts(const std::filesystem::path& path) {
  const std::string bytes = read_text(path);
  std::uint64_t size = 0;
  if (bytes.size() < sizeof size) throw std::runtime_error("no safetensors file: " + path.string());
  std::memcpy(&size, bytes.data(), sizeof size);
  return {nlohmann::json::parse(bytes.substr(sizeof size, size)), bytes.substr(sizeof size + size)};
}

}  // namespace digfusion::tools
