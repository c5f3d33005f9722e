// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_record.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/tools/output_file.h"

namespace digfusion::tools {
namespace {

using Json = nlohmann::json;

Json to_json(const TableEntry& entry) {
  Json figures;
  for (const metrics::Column& column : metrics::columns)
    figures[column.name] = entry.score.figures.*column.value;
  figures["PSNR sum"] = entry.score.figures.psnr_sum;
  Json json = {{"dataset", entry.dataset},         {"method", entry.score.method},
               {"picture", entry.score.picture},   {"seconds", entry.seconds},
               {"evaluations", entry.evaluations}, {"figures", figures}};
  if (entry.score.lpips) json["LPIPS"] = *entry.score.lpips;
  return json;
}

/// JSON has no infinity: nlohmann writes null.
double number(const Json& json) { return json.is_null() ? INFINITY : json.get<double>(); }

TableEntry from_json(const Json& json) {
  TableEntry entry;
  entry.dataset = json.at("dataset");
  entry.score.method = json.at("method");
  entry.score.picture = json.at("picture");
  entry.seconds = json.at("seconds");
  entry.evaluations = json.at("evaluations");
  const Json& figures = json.at("figures");
  for (const metrics::Column& column : metrics::columns)
    entry.score.figures.*column.value = number(figures.at(column.name));
  entry.score.figures.psnr_sum = number(figures.at("PSNR sum"));
  if (json.contains("LPIPS")) entry.score.lpips = json["LPIPS"].get<double>();
  return entry;
}

}  // namespace

Record::Record(std::filesystem::path file, bool keep) : file_(std::move(file)) {
  if (!keep) return;
  try {
    std::ifstream stream(file_);
    const Json record = Json::parse(stream);  // named: items() refers to it
    for (const auto& [key, item] : record.items())
      items_[key] = {item.at("settings").get<std::string>(), from_json(item.at("entry"))};
  } catch (const Json::exception&) {
    items_.clear();
  }
}

std::optional<TableEntry> Record::find(const std::string& key, const std::string& settings) const {
  const auto found = items_.find(key);
  if (found == items_.end() || found->second.settings != settings) return {};
  return found->second.entry;
}

void Record::add(const std::string& key, const std::string& settings, const TableEntry& entry) {
  items_[key] = {settings, entry};
  Json json;
  for (const auto& [name, item] : items_)
    json[name] = {{"settings", item.settings}, {"entry", to_json(item.entry)}};
  const std::string text = json.dump(1) + "\n";
  write_file(file_, text.data(), text.size());
}

}  // namespace digfusion::tools
