// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digfusion-record: two cameras into segments. Cameras, fusion and window are parts of pipelines/common, the
// recorder is this folder's; here they are put together.
#include <chrono>
#include <optional>
#include <string>

#include "pipelines/common/display.h"
#include "pipelines/common/failure.h"
#include "pipelines/common/fusion.h"
#include "pipelines/common/program.h"
#include "pipelines/record/encoder.h"
#include "pipelines/record/options.h"
#include "pipelines/record/recorder.h"

namespace digfusion::pipelines {
namespace {

constexpr const char* name = "digfusion-record";
constexpr unsigned refresh_interval = 250;  ///< milliseconds

/// Files are recorded whole, however long that takes; of cameras only the present counts.
bool are_files(const SourceOptions& sources) {
  return sources.visible && sources.infrared && !sources.visible->is_live() && !sources.infrared->is_live();
}

class Record {
 public:
  Record(const RecordOptions& options, const CommonOptions& common);
  int run();

 private:
  void on_fused(const Frame& frame);
  std::chrono::system_clock::time_point taken(const Frame& frame) const;
  void on_stopped(const std::string& why);
  void on_close(const std::string& problem);
  void finish();
  void refresh();

  const RecordOptions options_;
  Program program_;
  std::string stopped_;  ///< why there is no recording any more
  bool shown_ = false;   ///< there is a window
  // The first is destroyed last: the fusion's threads push to the others.
  std::optional<Recorder> recorder_;
  std::optional<Display> display_;
  std::optional<Fusion> fusion_;
};

Record::Record(const RecordOptions& options, const CommonOptions& common)
    : options_(options), program_(name, common.quiet()) {
  const bool files = are_files(common.sources());
  const EncoderChoice choice = choose_encoder(options_.encoder, options_.container);
  for (const std::string& reason : choice.passed_over) program_.say("not used: " + reason);
  recorder_.emplace(program_, options_, choice.encoder, files ? Pace::wait : Pace::leave_out,
                    [this](const std::string& why) { on_stopped(why); });

  Fusion::Callbacks callbacks;
  callbacks.on_fused = [this](Frame frame) { on_fused(frame); };
  if (options_.window) {
    callbacks.on_visible = [this](Frame frame) { display_->on_visible(frame); };
    callbacks.on_infrared = [this](Frame frame) { display_->on_infrared(frame); };
  }
  callbacks.on_end = [this] { finish(); };
  fusion_.emplace(program_, common, files ? Hurry::keep_all : Hurry::keep_up, std::move(callbacks));

  if (options_.window) {
    DisplayOptions display = options_.display;
    display.title = "digfusion: recording \"" + options_.name + "\"";
    display.live = fusion_->is_live();
    display_.emplace(program_, display,
                     Display::Callbacks{
                         .on_close = [this](const std::string& problem) { on_close(problem); },
                         .on_key = [](const std::string&) {},
                     });
    shown_ = true;
  }
  program_.say("recording \"" + options_.name + "\" to " + options_.folder.string() + " with " +
               choice.encoder.name());
}

int Record::run() {
  fusion_->start();
  if (display_) program_.every(refresh_interval, [this] { refresh(); });
  const int exit_code = program_.run([this] { fusion_->end(); });
  fusion_->stop();
  return exit_code;
}

void Record::on_fused(const Frame& frame) {
  if (display_) display_->on_fused(frame, fusion_->visible(), fusion_->infrared());
  recorder_->push(frame, fusion_->visible(), fusion_->infrared(), taken(frame));
}

/// When a picture was taken: its running time is the past's. A file's pictures are as of now.
std::chrono::system_clock::time_point Record::taken(const Frame& frame) const {
  const auto now = std::chrono::system_clock::now();
  if (!fusion_->is_live()) return now;
  const GstClockTime running = gst_clock_get_time(fusion_->clock()) - fusion_->base_time();
  return now - std::chrono::duration_cast<std::chrono::system_clock::duration>(
                   std::chrono::nanoseconds(running > frame.time() ? running - frame.time() : 0));
}

void Record::on_stopped(const std::string& why) {
  stopped_ = "recording stopped: " + why;
  if (!shown_) return program_.fail(stopped_);
  program_.warn(stopped_);
  refresh();
}

void Record::on_close(const std::string& problem) {
  shown_ = false;
  if (!stopped_.empty()) return program_.quit(1);
  if (!problem.empty()) program_.warn(problem);
  program_.say("the window is closed; the recording goes on until Ctrl-C");
}

void Record::finish() {
  recorder_->finish([this] {
    if (const auto left_out = recorder_->left_out(); left_out > 0)
      program_.say(std::to_string(left_out) +
                   " pictures were left out because the encoder or the disk was too slow");
    program_.quit(stopped_.empty() ? 0 : 1);
  });
}

void Record::refresh() {
  if (shown_) display_->refresh(fusion_->status(), stopped_);
}

}  // namespace
}  // namespace digfusion::pipelines

int main(int argc, char** argv) {
  using namespace digfusion::pipelines;
  RecordOptionsReader reader;
  return run_program(
      argc, argv, name, "Records a visible and an infrared camera as one fused video, in segments.",
      [&reader](CLI::App& app) { reader.add_to(app); },
      [&reader](const CommonOptions& common) {
        const RecordOptions options = reader.options();
        check_folder(options.folder);
        return Record(options, common).run();
      });
}
