// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/parameter_options.h"

#include <algorithm>
#include <sstream>
#include <string_view>

#include "core/tools/console.h"

namespace digfusion::tools {
namespace {

constexpr std::size_t columns = 110;

bool is_preset(const ParameterSpec& spec) { return std::string_view(spec.name) == "preset"; }

void set_or_throw(Parameters& parameters, std::string_view name, std::string_view text) {
  if (const auto message = set(parameters, name, text)) throw CLI::ValidationError(*message);
}

std::string description_of(const ParameterSpec& spec) {
  std::string text = spec.blurb;
  for (const Choice& choice : spec.choices) text += std::string("\n  ") + choice.nick + ": " + choice.blurb;
  return text;
}

}  // namespace

ParameterOptions::ParameterOptions(CLI::App& command, std::initializer_list<std::string_view> taken) {
  given_.reserve(parameter_table().size());
  for (const ParameterSpec& spec : parameter_table()) {
    if (std::find(taken.begin(), taken.end(), spec.name) != taken.end()) continue;
    Given& row = given_.emplace_back();
    row.spec = &spec;
    row.option = command.add_option(std::string("--") + spec.name, row.text, description_of(spec));
    row.option->group("Fusion parameters")
        ->type_name(values_text(spec))
        ->default_str(to_text(spec, spec.default_value()))
        ->take_last();
  }
}

Parameters ParameterOptions::parameters(const Parameters& base) const {
  Parameters parameters = base;
  for (const bool presets : {true, false})
    for (const Given& row : given_)
      if (is_preset(*row.spec) == presets && row.option->count() > 0)
        set_or_throw(parameters, row.spec->name, row.text);
  return parameters;
}

std::string values_text(const ParameterSpec& spec) {
  if (spec.is_text()) return "TEXT";
  std::string text;
  if (spec.is_choice()) {
    for (const Choice& choice : spec.choices) text += (text.empty() ? "" : "|") + std::string(choice.nick);
    return text;
  }
  if (spec.is_real()) return to_text(spec, Value(spec.minimum)) + ".." + to_text(spec, Value(spec.maximum));
  return std::to_string(static_cast<std::int64_t>(spec.minimum)) + ".." +
         std::to_string(static_cast<std::int64_t>(spec.maximum));
}

Parameters parse_settings(const Parameters& base, const std::string& text) {
  Parameters parameters = base;
  for (const bool presets : {true, false}) {
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos)
        throw CLI::ValidationError("\"" + word + "\" is no setting; give name=value, such as preset=paper");
      const std::string name = word.substr(0, equals);
      if ((name == "preset") == presets) set_or_throw(parameters, name, word.substr(equals + 1));
    }
  }
  return parameters;
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
  return wrap(option->get_description(), columns - get_column_width());
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  std::stringstream out;
  CLI::detail::format_help(out, command->get_display_name(true),
                           wrap(command->get_description(), columns - get_column_width()),
                           get_column_width());
  return out.str();
}

std::string HelpFormatter::make_description(const CLI::App* command) const {
  return wrap(CLI::Formatter::make_description(command), columns);
}

}  // namespace digfusion::tools
