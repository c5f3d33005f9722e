// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/parameters_page.h"

#include "core/parameters/parameters.h"
#include "core/tools/console.h"
#include "core/tools/parameter_options.h"

namespace digfusion::tools {
namespace {

// A cell of a table can't hold bars.
std::string cell(const std::string& text) {
  std::string result;
  for (const char letter : text) result += letter == '|' ? std::string("\\|") : std::string(1, letter);
  return result;
}

std::string code(const std::string& text) { return text.empty() ? "" : "`" + text + "`"; }

std::string values_cell(const ParameterSpec& spec) {
  if (spec.is_text()) return "text";
  if (!spec.is_choice()) return values_text(spec);
  std::string text;
  for (const Choice& choice : spec.choices) text += (text.empty() ? "" : ", ") + code(choice.nick);
  return text;
}

std::string parameter_row(const ParameterSpec& spec) {
  const char* change = spec.mutability == Mutability::playing ? "at any time" : "before the stream starts";
  return "| " + code(spec.name) + " | " + cell(code(to_text(spec, spec.default_value()))) + " | " +
         cell(values_cell(spec)) + " | " + change + " | " + cell(spec.blurb) + " |\n";
}

// What isn't the default: "`method=guided`, `draws=1`".
std::string settings_text(const Parameters& parameters) {
  std::string text;
  for (const ParameterSpec& spec : parameter_table()) {
    if (std::string_view(spec.name) == "preset" || spec.get(parameters) == spec.default_value()) continue;
    text +=
        (text.empty() ? "" : ", ") + code(spec.name + std::string("=") + to_text(spec, spec.get(parameters)));
  }
  return text.empty() ? "every default" : text;
}

std::string preset_settings(const Choice& preset) {
  Parameters parameters;
  if (set(parameters, "preset", preset.nick)) return {};
  return settings_text(parameters);
}

std::string task_section() {
  std::string text =
      "\n## Tasks\n\n"
      "`digfusion fuse --task NAME`: the defaults with these changes; a preset comes over them, then single\n"
      "parameters.\n\n"
      "| task | meaning | sets |\n|---|---|---|\n";
  for (const TaskSpec& task : task_table())
    text += "| " + code(task.name) + " | " + cell(task.blurb) + " | " +
            cell(settings_text(parameters_of(task.task))) + " |\n";
  return text;
}

}  // namespace

std::string parameters_markdown() {
  std::string page =
      "# Parameters\n\n"
      "<!-- Made by `digfusion parameters --markdown` from core/parameters/parameters.cpp; change it there. "
      "-->\n\n"
      "Each is a property of the element `digfusion` and an option (`--name`) of `digfusion fuse` and\n"
      "`digfusion bench`. When it can change is said for the element.\n\n"
      "| name | default | values | can change | meaning |\n"
      "|---|---|---|---|---|\n";
  for (const ParameterSpec& spec : parameter_table()) page += parameter_row(spec);
  for (const ParameterSpec& spec : parameter_table()) {
    if (!spec.is_choice()) continue;
    const bool is_preset = std::string_view(spec.name) == "preset";
    page += std::string("\n## ") + (is_preset ? "Presets" : "Values of " + code(spec.name)) + "\n\n";
    if (is_preset)
      page +=
          "A preset sets every parameter that any preset sets: to its own value, or back to the default.\n\n";
    page += is_preset ? "| preset | meaning | sets |\n|---|---|---|\n" : "| value | meaning |\n|---|---|\n";
    for (const Choice& choice : spec.choices)
      page += "| " + code(choice.nick) + " | " + cell(choice.blurb) + " |" +
              (is_preset ? " " + cell(preset_settings(choice)) + " |\n" : "\n");
    if (is_preset) page += task_section();
  }
  return page;
}

std::string parameters_text() {
  std::string text;
  for (const ParameterSpec& spec : parameter_table()) {
    text += std::string(spec.name) + "=" + to_text(spec, spec.default_value()) + "  (" + values_text(spec) +
            ")\n";
    text += wrap(std::string("    ") + spec.blurb, 110) + "\n";
    for (const Choice& choice : spec.choices)
      text += wrap(std::string("      ") + choice.nick + ": " + choice.blurb, 110) + "\n";
  }
  return text;
}

}  // namespace digfusion::tools
