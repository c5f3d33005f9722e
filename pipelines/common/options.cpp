// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/options.h"

#include <sys/stat.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <type_traits>
#include <variant>

#include "core/parameters/parameters.h"
#include "core/scene/pattern.h"
#include "pipelines/common/failure.h"

namespace digfusion::pipelines {
namespace {

double seconds(std::chrono::milliseconds time) { return std::chrono::duration<double>(time).count(); }

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(std::llround(seconds * 1000));
}

/// 10 → "10", 0.5 → "0.5".
std::string short_number(double value) {
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  return g_ascii_formatd(text, sizeof text, "%g", value);
}

std::string pattern_names() {
  std::string names;
  for (const scene::PatternInfo& info : scene::pattern_table())
    names += (names.empty() ? "" : "|") + std::string(info.nick);
  return names;
}

std::string pattern_of(const std::string& text) {
  if (text.empty()) {
    for (const scene::PatternInfo& info : scene::pattern_table())
      if (info.value == scene::default_pattern) return info.nick;
  }
  if (scene::find_pattern(text)) return text;
  throw UsageFailure("--test: there is no scene \"" + text + "\", only " + pattern_names());
}

/// "640x480".
void read_size(const std::string& text, SourceOptions& options) {
  int width = 0, height = 0, length = -1;
  const int count = std::sscanf(text.c_str(), "%dx%d%n", &width, &height, &length);
  if (count != 2 || length != static_cast<int>(text.size()) || std::min(width, height) < 16 ||
      std::max(width, height) > 4096 || std::min(width, height) > 2160)
    throw UsageFailure("--size: \"" + text +
                       "\" is no size; it is written 640x480, and goes from 16x16 to 4096x2160");
  options.width = width;
  options.height = height;
}

/// The lines of --credentials, put into the addresses.
void read_credentials(const std::string& path, SourceOptions& options) {
  const auto trouble = [&path](const std::string& why) {
    throw UsageFailure("--credentials: " + path + ": " + why);
  };
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) trouble("there is no such file");
  if (status.st_mode & (S_IRWXG | S_IRWXO))
    trouble("others may read or write this file: chmod 600 '" + path + "'");
  std::ifstream file(path);
  if (!file) trouble("can't be read");
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::istringstream words(line);
    std::string role, user, password;
    if (!(words >> role) || role.starts_with('#')) continue;
    words >> user >> std::ws;
    std::getline(words, password);  // the rest: it may hold blanks
    if (password.ends_with('\r')) password.pop_back();
    std::optional<Address>* address = role == "visible"    ? &options.visible
                                      : role == "infrared" ? &options.infrared
                                                           : nullptr;
    if (!address || user.empty())
      trouble("line " + std::to_string(number) +
              " isn't understood; it is written \"visible USER PASSWORD\" or \"infrared USER PASSWORD\"");
    if (!*address) continue;
    if ((*address)->transport != Transport::rtsp)
      trouble("line " + std::to_string(number) + ": only rtsp:// cameras have a user name and a password; " +
              (*address)->text() + " isn't one");
    (*address)->user = user;
    (*address)->password = password;
  }
}

}  // namespace

struct CommonOptions::Texts {
  std::string visible, infrared, test, size, credentials;
  SourceOptions sources;
  EndOptions end;
  double timeout = seconds(SourceOptions{}.timeout);
  double jitter_buffer = static_cast<double>(SourceOptions{}.jitter_buffer.count());
  double duration = 0;
  bool quiet = false;
  CLI::Option *test_option = nullptr, *credentials_option = nullptr;
  std::vector<CLI::Option*> scene_options;
};

CommonOptions::CommonOptions(CLI::App& app) : texts_(std::make_unique<Texts>()) {
  Texts& t = *texts_;
  const SourceOptions defaults;
  app.add_option("VISIBLE,--visible", t.visible,
                 "the visible camera, also as --visible ADDRESS: rtsp://USER:PASSWORD@HOST/PATH, "
                 "srt://HOST:PORT, /dev/video0, a file, "
                 "or another address that GStreamer has a source for")
      ->type_name("ADDRESS")
      ->group("Sources");
  app.add_option("INFRARED,--infrared", t.infrared, "the infrared camera, also as --infrared ADDRESS")
      ->type_name("ADDRESS")
      ->group("Sources");
  std::string patterns = "a generated scene in place of the cameras";
  for (const scene::PatternInfo& info : scene::pattern_table())
    patterns += std::string("\n  ") + info.nick + ": " + info.blurb;
  t.test_option = app.add_option("--test", t.test, patterns)
                      ->expected(0, 1)
                      ->type_name("[" + pattern_names() + "]")
                      ->default_str(pattern_of(""))
                      ->group("Sources");
  const auto of_scene = [&](CLI::Option* option) {
    t.scene_options.push_back(option->group("Sources"));
    return option;
  };
  of_scene(app.add_option("--test-seed", t.sources.seed, "another scene of its kind with --test"))
      ->type_name("NUMBER")
      ->default_str("0");
  of_scene(app.add_option("--size", t.size, "size of the scene"))
      ->type_name("WIDTHxHEIGHT")
      ->default_str(std::to_string(defaults.width) + "x" + std::to_string(defaults.height));
  of_scene(app.add_option("--rate", t.sources.rate, "pictures a second of the scene"))
      ->type_name("NUMBER")
      ->default_str(std::to_string(defaults.rate))
      ->check(CLI::Range(1, 240).description(""));
  app.add_option("--timeout", t.timeout,
                 "without a picture for so long, a camera is given up, and tried again after a while")
      ->type_name("SECONDS")
      ->default_str(short_number(t.timeout))
      ->check(CLI::Range(0.1, 3600.0).description(""))
      ->group("Sources");
  app.add_option("--jitter-buffer", t.jitter_buffer,
                 "how long packets of rtsp:// and srt:// wait for those that were overtaken")
      ->type_name("MILLISECONDS")
      ->default_str(short_number(t.jitter_buffer))
      ->check(CLI::Range(0.0, 60'000.0).description(""))
      ->group("Sources");
  app.add_option("--rtsp-transport", t.sources.rtsp_transport,
                 "how rtsp:// cameras send: auto tries UDP, then TCP")
      ->type_name("auto|udp|tcp")
      ->default_str(defaults.rtsp_transport)
      ->check(CLI::IsMember({"auto", "udp", "tcp"}).description(""))
      ->group("Sources");
  t.credentials_option =
      app.add_option("--credentials", t.credentials,
                     "a file with the lines \"visible USER PASSWORD\" and \"infrared USER PASSWORD\", "
                     "readable by you alone: a command line is there for everyone on the machine to see")
          ->type_name("FILE")
          ->group("Sources");
  app.add_option("--frames", t.end.frames, "end after so many fused pictures")->type_name("NUMBER");
  app.add_option("--duration", t.duration, "end so long after the first fused picture")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.001, 1e9).description(""));
  app.add_flag("--quiet", t.quiet, "say nothing but what is wrong");
  parameters_ = std::make_unique<tools::ParameterOptions>(app);
}

CommonOptions::~CommonOptions() = default;

SourceOptions CommonOptions::sources() const {
  const Texts& t = *texts_;
  SourceOptions options = t.sources;
  options.timeout = milliseconds(t.timeout);
  options.jitter_buffer = std::chrono::milliseconds(std::llround(t.jitter_buffer));
  if (!t.size.empty()) read_size(t.size, options);

  if (t.test_option->count() > 0) {
    if (!t.visible.empty() || !t.infrared.empty())
      throw UsageFailure("--test and the address " + without_passwords(t.visible + t.infrared) +
                         " don't go together: the scene takes the place of both cameras");
    if (t.credentials_option->count() > 0) throw UsageFailure("--test needs no --credentials");
    options.pattern = pattern_of(t.test);
    return options;
  }
  for (const CLI::Option* option : t.scene_options)
    if (option->count() > 0) throw UsageFailure(option->get_name() + " is for --test: a camera has its own");
  if (t.visible.empty() || t.infrared.empty())
    throw UsageFailure(t.visible.empty() && t.infrared.empty()
                           ? "give two addresses, VISIBLE and INFRARED, or --test"
                           : (t.visible.empty() ? "the visible camera's address is missing"
                                                : "the infrared camera's address is missing"));
  options.visible = parse_address(t.visible, "--visible");
  options.infrared = parse_address(t.infrared, "--infrared");
  if (t.credentials_option->count() > 0) read_credentials(t.credentials, options);
  return options;
}

EndOptions CommonOptions::end() const {
  EndOptions end = texts_->end;
  end.duration = milliseconds(texts_->duration);
  return end;
}

bool CommonOptions::quiet() const { return texts_->quiet; }

void CommonOptions::apply_fusion(GstElement* digfusion) const {
  const Parameters parameters = parameters_->parameters();
  // In the table's order: the preset is first, and each of the others then replaces what it set.
  for (const ParameterSpec& spec : parameter_table())
    std::visit(
        [&](const auto& value) {
          GValue property = G_VALUE_INIT;
          using Type = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<Type, std::string>) {
            g_value_init(&property, G_TYPE_STRING);
            g_value_set_string(&property, value.c_str());
          } else if constexpr (std::is_same_v<Type, double>) {
            g_value_init(&property, G_TYPE_DOUBLE);
            g_value_set_double(&property, value);
          } else {
            g_value_init(&property, G_TYPE_INT64);
            g_value_set_int64(&property, value);
          }
          g_object_set_property(G_OBJECT(digfusion), spec.name, &property);
          g_value_unset(&property);
        },
        spec.get(parameters));
}

}  // namespace digfusion::pipelines
