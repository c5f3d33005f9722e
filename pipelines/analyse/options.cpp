// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/options.h"

#include <cstdio>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {

namespace {

std::string size_text(cv::Size size) {
  return std::to_string(size.width) + "x" + std::to_string(size.height);
}

cv::Size read_size(const std::string& text) {
  cv::Size size;
  int length = -1;
  if (std::sscanf(text.c_str(), "%dx%d%n", &size.width, &size.height, &length) != 2 ||
      length != static_cast<int>(text.size()) || std::min(size.width, size.height) < 16 ||
      std::max(size.width, size.height) > 8192)
    throw UsageFailure("--detector-size: \"" + text + "\" is no size; it is written 640x640");
  return size;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

void add_detection(CLI::App& app, AnalyseOptions& options) {
  const char* group = "Detection";
  DetectorOptions& detector = options.detector;
  app.add_flag_callback(
         "--no-detection", [&options] { options.detect = false; }, "look for motion only")
      ->group(group);
  app.add_option("--detector", detector.model,
                 "an ONNX model of the YOLO family, instead of OpenCV's HOG detector of people")
      ->type_name("FILE")
      ->group(group);
  app.add_option_function<std::string>(
         "--detector-size", [&detector](const std::string& text) { detector.model_size = read_size(text); },
         "the size of picture that the model was exported for")
      ->type_name("WIDTHxHEIGHT")
      ->default_str(size_text(detector.model_size))
      ->group(group);
  app.add_option("--classes", detector.classes,
                 "the names of the model's classes, one a line; without it 80 classes are COCO's")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--only", detector.only, "the classes that count, as person,car")
      ->delimiter(',')
      ->type_name("NAMES")
      ->group(group);
  app.add_option("--threshold", detector.threshold, "the confidence from which a detection counts")
      ->check(CLI::Range(0., 1.).description(""))
      ->type_name("0..1")
      ->default_str(short_number(DetectorOptions::hog_threshold) + ", with --detector " +
                    short_number(DetectorOptions::model_threshold))
      ->group(group);
  app.add_option("--nms", detector.nms,
                 "with --detector: of two boxes of a class that overlap so much the less sure is dropped")
      ->check(CLI::Range(0., 1.).description(""))
      ->type_name("0..1")
      ->default_str(short_number(detector.nms))
      ->group(group);
  app.add_option("--scale", detector.scale,
                 "HOG: pictures are enlarged so much first; smaller people are found, and it takes longer")
      ->check(CLI::Range(.25, 4.).description(""))
      ->type_name("FACTOR")
      ->default_str(short_number(detector.scale))
      ->group(group);
  app.add_flag("--motion", options.motion, "look for motion as well")->group(group);
  app.add_option("--motion-sensitivity", options.motion_sensitivity, "more finds smaller changes, and noise")
      ->check(CLI::Range(0., 1.).description(""))
      ->type_name("0..1")
      ->default_str(short_number(options.motion_sensitivity))
      ->group(group);
  app.add_flag("--every-frame", options.every_frame,
               "detect in every picture, however long it takes, as is done with files anyway; cameras are "
               "shown as they come, and looked at as fast as the detector can");
}

void add_results(CLI::App& app, AnalyseOptions& options) {
  const char* group = "Results";
  CLI::Option* json =
      app.add_option("--json", options.json,
                     "append lines of JSON to a file, - for standard output, which is also where they go "
                     "without this and --mqtt")
          ->type_name("FILE")
          ->group(group);
  CLI::Option* mqtt =
      app.add_option("--mqtt", options.mqtt,
                     "publish them: mqtt://USER@HOST:PORT/TOPIC, or mqtts://; the password is taken from the "
                     "variable DIGFUSION_MQTT_PASSWORD, or is in the address for everyone on the machine to "
                     "see, USER:PASSWORD@")
          ->type_name("ADDRESS")
          ->group(group);
  app.add_option("--mqtt-ca", options.mqtt_ca, "certificates to trust with mqtts://, instead of the system's")
      ->check(CLI::Validator(CLI::ExistingFile).description(""))
      ->type_name("FILE")
      ->needs(mqtt)
      ->group(group);
  CLI::Option* all = app.add_flag("--all-frames", options.all_frames,
                                  "a line for every picture, not only for those in which there is something")
                         ->group(group);
  app.add_option("--report", options.report,
                 "instead of all this, count people in the visible, the infrared and the fused pictures, and "
                 "write report.md, report.csv and report.png into a folder")
      ->type_name("FOLDER")
      ->excludes(json)
      ->excludes(mqtt)
      ->excludes(all)
      ->group(group);
}

}  // namespace

void add_analyse_options(CLI::App& app, AnalyseOptions& options) {
  add_detection(app, options);
  add_results(app, options);
  app.add_flag("--window", options.window, "show the fused pictures with what was found");
  app.add_option("--snapshot", options.snapshot,
                 "save the last picture as PNG when the program ends; of a scene no picture is left out then")
      ->type_name("FILE");
  add_display_options(app, options.display);
}

}  // namespace digfusion::pipelines
