// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digfusion-watch: two cameras to a window. Cameras, fusion and window are parts of pipelines/common; here
// they are put together, with the keys.
#include <glib.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/common/display.h"
#include "pipelines/common/failure.h"
#include "pipelines/common/fusion.h"
#include "pipelines/common/keys.h"
#include "pipelines/common/program.h"

namespace digfusion::pipelines {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* name = "digfusion-watch";
constexpr unsigned refresh_interval = 250;  ///< milliseconds
constexpr std::chrono::seconds notice_time{3}, help_time{10};

struct WatchOptions {
  DisplayOptions display;
  std::string pictures = ".";
  std::string snapshot;
};

/// A text that goes by itself.
class Passing {
 public:
  void set(std::string text, Clock::duration time) {
    text_ = std::move(text);
    until_ = Clock::now() + time;
  }
  std::string text() const { return Clock::now() < until_ ? text_ : std::string(); }

 private:
  std::string text_;
  Clock::time_point until_{};
};

class Watch {
 public:
  Watch(const WatchOptions& options, const CommonOptions& common);
  int run();

 private:
  friend std::vector<Key> key_table(Watch* watch);

  void set_view(const ViewInfo& view);
  void toggle_statistics();
  void show_help();
  void take_picture();
  void finish();
  void refresh() { display_->refresh(fusion_->status(), notice_.text(), help_.text()); }

  const WatchOptions options_;
  Program program_;
  Passing notice_, help_;
  bool finishing_ = false;
  // The first is destroyed last: keys act on the display, and the fusion's threads push to it.
  std::optional<Keys> keys_;
  std::optional<Display> display_;
  std::optional<Fusion> fusion_;
};

/// The keys, in the order of --help. `watch` may be null: then only to be described.
std::vector<Key> key_table(Watch* watch) {
  std::vector<Key> keys;
  for (const ViewInfo& view : view_table())
    keys.push_back({view.key, view.blurb, [watch, &view] { watch->set_view(view); }});
  keys.push_back({"t", "statistics", [watch] { watch->toggle_statistics(); }});
  keys.push_back({"p", "save the picture", [watch] { watch->take_picture(); }});
  keys.push_back({"question", "these lines", [watch] { watch->show_help(); }});
  keys.push_back({"q", "quit", [watch] { watch->finish(); }});
  keys.push_back({"Escape", "", [watch] { watch->finish(); }});
  // X tells the key without Shift, which isn't "?" on any keyboard.
  for (const char* other : {"slash", "h", "F1"}) keys.push_back({other, "", [watch] { watch->show_help(); }});
  return keys;
}

/// "visible_2026-01-31_22-04-59.123.png"
std::string picture_name(const char* view) {
  GDateTime* now = g_date_time_new_now_local();
  gchar* time = g_date_time_format(now, "%Y-%m-%d_%H-%M-%S");
  char milliseconds[8];
  g_snprintf(milliseconds, sizeof milliseconds, ".%03d", g_date_time_get_microsecond(now) / 1000);
  const std::string text = std::string(view) + "_" + time + milliseconds + ".png";
  g_free(time);
  g_date_time_unref(now);
  return text;
}

std::string title_of(const SourceOptions& sources) {
  if (!sources.visible || !sources.infrared) return "digfusion: test scene " + sources.pattern;
  return "digfusion: " + sources.visible->text() + " and " + sources.infrared->text();
}

/// Before an operator has waited for a picture that can't be written.
void check_folder(const char* option, const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    throw UsageFailure(std::string(option) + ": there is no folder " + folder.string());
  if (access(folder.c_str(), W_OK) != 0)
    throw UsageFailure(std::string(option) + ": the folder " + folder.string() + " isn't yours to write in");
}

Watch::Watch(const WatchOptions& options, const CommonOptions& common)
    : options_(options), program_(name, common.quiet()) {
  const SourceOptions sources = common.sources();
  // A picture to be kept is made of the same pictures each time; one to be looked at is of now.
  const Hurry hurry = options_.snapshot.empty() ? Hurry::keep_up : Hurry::keep_all;
  fusion_.emplace(
      program_, common, hurry,
      Fusion::Callbacks{
          .on_fused =
              [this](Frame frame) { display_->on_fused(frame, fusion_->visible(), fusion_->infrared()); },
          .on_visible = [this](Frame frame) { display_->on_visible(frame); },
          .on_infrared = [this](Frame frame) { display_->on_infrared(frame); },
          .on_change = [this] { refresh(); },
          .on_end = [this] { finish(); },
      });
  DisplayOptions display = options_.display;
  display.title = title_of(sources);
  display.live = fusion_->is_live();
  display_.emplace(program_, display,
                   Display::Callbacks{
                       .on_close =
                           [this](const std::string& problem) {
                             if (!problem.empty())
                               program_.fail(problem);
                             else if (!options_.snapshot.empty())
                               program_.fail("--snapshot: the window was closed before");
                             else
                               program_.quit();
                           },
                       .on_key =
                           [this](const std::string& key) {
                             if (keys_) keys_->press(key);
                           },
                   });
}

int Watch::run() {
  refresh();
  fusion_->start();
  program_.every(refresh_interval, [this] { refresh(); });
  // Once signals are handled: the terminal is to have its settings back after them.
  program_.post([this] {
    keys_.emplace(key_table(this));
    program_.say("press ? for the keys, here or in the window");
  });
  const int exit_code = program_.run([this] { finish(); });
  fusion_->stop();
  return exit_code;
}

void Watch::set_view(const ViewInfo& view) {
  display_->set_view(view.value);
  notice_.set(view.blurb, notice_time);
  program_.say(std::string("shown: ") + view.blurb);
  refresh();
}

void Watch::toggle_statistics() {
  display_->set_statistics(!display_->statistics());
  refresh();
}

void Watch::show_help() {
  const std::string help = keys_help(key_table(nullptr));
  program_.say("keys\n" + help);
  help_.set(help, help_.text().empty() ? help_time : Clock::duration(0));
  refresh();
}

void Watch::take_picture() {
  const std::string file = picture_name(info_of(display_->view()).nick);
  const std::string path = (std::filesystem::path(options_.pictures) / file).string();
  display_->snapshot(path, [this, file, path](const std::string& problem) {
    if (problem.empty())
      program_.say("saved " + path);
    else
      program_.warn(path + " wasn't saved: " + problem);
    notice_.set(problem.empty() ? "saved " + file : "not saved: " + problem, notice_time);
    refresh();
  });
}

/// In order; the second time at once.
void Watch::finish() {
  if (finishing_ || options_.snapshot.empty()) return program_.quit();
  finishing_ = true;
  refresh();  // the last picture's statistics
  display_->snapshot(options_.snapshot, [this](const std::string& problem) {
    if (problem.empty())
      program_.quit();
    else
      program_.fail("--snapshot: " + problem);
  });
}

}  // namespace
}  // namespace digfusion::pipelines

int main(int argc, char** argv) {
  using namespace digfusion::pipelines;
  WatchOptions options;
  return run_program(
      argc, argv, name, "Shows a visible and an infrared camera as one fused picture, live, in a window.",
      [&options](CLI::App& app) {
        add_display_options(app, options.display);
        app.add_option("--pictures", options.pictures, "folder for the pictures that the key p saves")
            ->type_name("FOLDER")
            ->capture_default_str();
        app.add_option(
               "--snapshot", options.snapshot,
               "save the last picture, texts included, as PNG when the program ends (--frames, "
               "--duration, the end of the files, q); of a file or a scene no picture is left out then")
            ->type_name("FILE");
        app.footer("Keys, in the window and in the terminal:\n" + keys_help(key_table(nullptr)) + "\n\n" +
                   app.get_footer());
      },
      [&options](const CommonOptions& common) {
        if (options.pictures != WatchOptions().pictures) check_folder("--pictures", options.pictures);
        if (!options.snapshot.empty())
          check_folder("--snapshot", std::filesystem::absolute(options.snapshot).parent_path());
        return Watch(options, common).run();
      });
}
