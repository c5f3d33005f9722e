// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_report.h"

#include <cstdio>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "core/tools/console.h"
#include "core/tools/machine.h"
#include "core/tools/output_file.h"

namespace fs = std::filesystem;

namespace digfusion::tools {

std::string settings_text(const Parameters& parameters) {
  std::string text;
  for (const ParameterSpec& spec : parameter_table())
    if (std::string_view(spec.name) != "preset" && spec.get(parameters) != spec.default_value())
      text += (text.empty() ? "" : " ") + std::string(spec.name) + "=" + to_text(spec, spec.get(parameters));
  return text;
}

std::string settings_cell(const Parameters& parameters) {
  const std::string text = settings_text(parameters);
  return text.empty() ? "every default" : "`" + text + "`";
}

std::string model_note(const Parameters& parameters) {
  if (!parameters.model.empty()) return "the model file " + std::string(parameters.model.view());
  return "the embedded luma denoiser, since no --model was given: a small one that never saw a photograph, "
         "not the "
         "paper's 256x256_diffusion_uncond (552.8 M parameters)";
}

std::string report_head(const std::string& title, const ReproduceOptions& options,
                        const std::string& computed_on) {
  const Machine machine = this_machine();
  std::string text = "# " + title + "\n\nMade by `digfusion reproduce`.\n\n";
  const auto item = [&](const std::string& name, const std::string& value) {
    text += "- " + name + ": " + value + "\n";
  };
  item("date", today());
  item("machine", machine.processor + ", " + std::to_string(machine.cores) + " cores, " +
                      machine.instructions +
                      (machine.load >= 0 ? "; load now " + number_text(machine.load, 1) : std::string()));
  item("computed on", computed_on);
  item("denoiser", model_note(options.parameters));
  item("settings", settings_cell(options.parameters) + "; all else as in docs/parameters.md");
  return text + "\n";
}

void make_output_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw std::runtime_error("can't make folder " + folder.string() + ": " + error.message());
}

void write_report(const fs::path& folder, const std::string& name, const std::string& text) {
  write_file(folder / name, text.data(), text.size());
}

void draw(const Plot& plot, const fs::path& folder, const std::string& name) {
  static bool told = false;
  const auto reason = write_plot(plot, folder / name);
  if (reason && !told)
    std::fprintf(stderr, "digfusion: %s\nThis is said once, and goes for every .gp file in %s.\n",
                 reason->c_str(), folder.c_str());
  told = told || reason;
}

}  // namespace digfusion::tools
