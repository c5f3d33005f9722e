// SPDX-License-Identifier: LGPL-2.1-or-later
#include <memory>
#include <string>

#include "core/tools/calibrate.h"
#include "core/tools/commands.h"
#include "core/tools/size_text.h"

namespace digfusion {
namespace {

struct Options {
  tools::CalibrateOptions calibrate;
  std::string checkerboard;
};

/// "9x6".
cv::Size parse_corners(const std::string& text) {
  const auto within = [](int corners) { return corners > 2 && corners < 100; };
  const auto size = tools::parse_size_text(text);
  if (size && within(size->width) && within(size->height)) return {size->width, size->height};
  throw CLI::ValidationError("--checkerboard: \"" + text +
                             "\" is not allowed; give the numbers of inner corners, 3 to 99, as 9x6");
}

}  // namespace

void add_calibrate_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "calibrate", "Find where the infrared picture lies on the visible one, for the parameter registration");
  command->footer(
      "Folders are paired by equal stem, videos by frame number; the cameras must not move between pairs.\n"
      "The infrared picture may be a quarter to one and a half times as wide as the visible one shows it,\n"
      "turned by up to 10 degrees. Exit code 3: the file was written, but the result may be wrong.");
  auto options = std::make_shared<Options>();
  tools::CalibrateOptions& o = options->calibrate;
  command->add_option("--visible", o.visible, "Picture, folder of pictures or video")
      ->required()
      ->type_name("PATH");
  command->add_option("--infrared", o.infrared, "Picture, folder of pictures or video of the same moments")
      ->required()
      ->type_name("PATH");
  command
      ->add_option("--output", o.output, "JSON file to write, for --registration and the element's property")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--picture", o.picture,
                   "Picture to write for a check by eye: visible, infrared on its grid, and both in turn")
      ->type_name("FILE");
  command
      ->add_option("--checkerboard", options->checkerboard,
                   "Inner corners of a heated board that the pictures show, as 9x6; without it, edges of any "
                   "scene are compared")
      ->type_name("WxH");
  command->add_option("--pairs", o.pairs, "Use at most so many pairs, spread over all")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->callback([options, &exit_code] {
    if (!options->checkerboard.empty())
      options->calibrate.checkerboard = parse_corners(options->checkerboard);
    exit_code = tools::run_calibrate(options->calibrate);
  });
}

}  // namespace digfusion
