// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/program.h"

#include <c10/util/Exception.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <opencv2/core/utils/logger.hpp>
#include <string>
#include <vector>

#include "core/tools/parameter_options.h"

namespace {

int fail(const char* message) {
  std::fprintf(stderr, "digfusion: %s\n", message);
  return 1;
}

}  // namespace

namespace digfusion::tools {

int run_program(int argc, char** argv, std::span<const AddCommand> commands) {
  // A reader of our output that goes away (`digfusion score … | head`) ends us quietly, even where our parent
  // ignores the signal.
  ::signal(SIGPIPE, SIG_DFL);
  // Our messages say what is wrong with a picture; OpenCV's would say it twice.
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);

  CLI::App app("digfusion: visible and infrared pictures become one, by diffusion information gains",
               "digfusion");
  app.set_version_flag("--version", DIGFUSION_VERSION);
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.failure_message([](const CLI::App* root, const CLI::Error& error) {
    std::string what = error.what();
    // What is misspelt says more than what is missing.
    const std::vector<std::string> rest = root->remaining(true);
    if (error.get_name() == "RequiredError" && !rest.empty())
      what = "\"" + rest.front() + "\" isn't expected here: there is no such subcommand or option";
    return "digfusion: " + what + "\nRun digfusion --help, or digfusion SUBCOMMAND --help.\n";
  });
  int exit_code = 0;
  for (const AddCommand add : commands) add(app, exit_code);
  app.footer("Exit codes: 0 done, 1 failed, 2 the command line can't be understood.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (app.exit(error) != 0) return 2;
  } catch (const c10::Error& error) {
    return fail(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return fail("out of memory");
  } catch (const std::exception& error) {
    return fail(error.what());
  } catch (...) {
    return fail("an unknown error");
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) return fail("can't write to standard output");
  return exit_code;
}

}  // namespace digfusion::tools
