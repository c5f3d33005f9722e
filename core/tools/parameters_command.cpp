// SPDX-License-Identifier: LGPL-2.1-or-later
#include <memory>

#include "core/tools/commands.h"
#include "core/tools/console.h"
#include "core/tools/parameters_page.h"

namespace digfusion {

void add_parameters_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("parameters", "List the fusion parameters with defaults and values");
  auto markdown = std::make_shared<bool>(false);
  command->add_flag("--markdown", *markdown, "As the page docs/parameters.md");
  command->callback([markdown, &exit_code] {
    tools::print(*markdown ? tools::parameters_markdown() : tools::parameters_text());
    exit_code = 0;
  });
}

}  // namespace digfusion
