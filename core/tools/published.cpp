// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/published.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace digfusion::tools {
namespace {

std::vector<std::string> fields_of(std::string line) {
  if (line.ends_with('\r')) line.pop_back();
  std::vector<std::string> fields;
  std::istringstream text(line);
  for (std::string field; std::getline(text, field, ',');) fields.push_back(field);
  if (line.ends_with(',')) fields.emplace_back();
  return fields;
}

/// Which field holds what.
struct Head {
  std::size_t count = 0, method = 0;
  std::optional<std::size_t> picture;
  std::vector<std::size_t> figures;  ///< in the order of metrics::columns

  Head(const std::vector<std::string>& names, const std::string& file) : count(names.size()) {
    const auto find = [&](const std::string& name) -> std::optional<std::size_t> {
      const auto at = std::find(names.begin(), names.end(), name);
      return at == names.end() ? std::nullopt : std::optional(static_cast<std::size_t>(at - names.begin()));
    };
    const auto need = [&](const std::string& name) {
      if (const auto at = find(name)) return *at;
      throw std::runtime_error(file + ", line 1: there is no column \"" + name + "\"");
    };
    method = need("method");
    picture = find("picture");
    for (const metrics::Column& column : metrics::columns) figures.push_back(need(column.name));
  }
};

double number(const std::string& text, const std::string& where) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw std::runtime_error(where + ": \"" + text + "\" is no number");
  return value;
}

}  // namespace

std::vector<PublishedMethod> read_published(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string line;
  if (!stream || !std::getline(stream, line))
    throw std::runtime_error("can't read the scores in " + file.string());
  const Head head(fields_of(line), file.string());
  std::vector<PublishedMethod> methods;
  for (int number_of_line = 2; std::getline(stream, line); ++number_of_line) {
    if (line.empty() || line == "\r") continue;
    const std::string where = file.string() + ", line " + std::to_string(number_of_line);
    const std::vector<std::string> fields = fields_of(line);
    if (fields.size() != head.count)
      throw std::runtime_error(where + ": " + std::to_string(fields.size()) + " fields, and " +
                               std::to_string(head.count) + " in the first line");
    const std::string& name = fields[head.method];
    auto method = std::find_if(methods.begin(), methods.end(),
                               [&](const PublishedMethod& m) { return m.name == name; });
    if (method == methods.end()) method = methods.insert(methods.end(), {name, {}});
    const auto [place, is_new] = method->figures.try_emplace(head.picture ? fields[*head.picture] : "mean");
    if (!is_new) throw std::runtime_error(where + ": a second line for " + name + ", " + place->first);
    for (std::size_t i = 0; i < metrics::columns.size(); ++i)
      place->second.*metrics::columns[i].value = number(fields[head.figures[i]], where);
  }
  if (methods.empty()) throw std::runtime_error("there are no scores in " + file.string());
  return methods;
}

metrics::Figures mean_figures(const PublishedMethod& method, const std::vector<std::string>& pictures) {
  if (method.figures.size() == 1 && method.figures.begin()->first == "mean")
    return method.figures.begin()->second;
  metrics::Figures mean;
  for (const std::string& picture : pictures) {
    const auto found = method.figures.find(picture);
    if (found == method.figures.end())
      throw std::runtime_error("the published scores of " + method.name + " lack the picture \"" + picture +
                               "\"");
    for (const metrics::Column& column : metrics::columns)
      mean.*column.value += found->second.*column.value / static_cast<double>(pictures.size());
  }
  return mean;
}

}  // namespace digfusion::tools
