// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/options.h"

#include <fcntl.h>
#include <glib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>

#include "pipelines/common/failure.h"
#include "pipelines/record/descriptor.h"

namespace digfusion::pipelines {
namespace {

constexpr const char* group = "Recording";

const std::map<std::string, double> time_units{{"s", 1},    {"sec", 1},   {"m", 60},       {"min", 60},
                                               {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}};
const std::map<std::string, double> size_units{{"k", 1e3}, {"kb", 1e3}, {"m", 1e6},  {"mb", 1e6},
                                               {"g", 1e9}, {"gb", 1e9}, {"t", 1e12}, {"tb", 1e12}};

/// 600 → "10min".
std::string span_text(std::chrono::seconds span) {
  const auto count = span.count();
  return count % 60 == 0 ? std::to_string(count / 60) + "min" : std::to_string(count) + "s";
}

CLI::Option* as_span(CLI::Option* option) {
  return option->transform(CLI::AsNumberWithUnit(time_units).description(""))
      ->check(CLI::Range(1.0, 1e9).description(""))
      ->type_name("TIME");
}

CLI::Option* as_size(CLI::Option* option) {
  return option->transform(CLI::AsNumberWithUnit(size_units).description(""))
      ->check(CLI::Range(0.0, 1e18).description(""))
      ->type_name("SIZE");
}

}  // namespace

std::uint64_t default_keep_free(const std::filesystem::path& folder) {
  struct statvfs status {};
  constexpr std::uint64_t usual = 1'000'000'000;
  if (::statvfs(folder.c_str(), &status) != 0) return usual;
  return std::min<std::uint64_t>(usual, static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize / 20);
}

void RecordOptionsReader::add_to(CLI::App& app) {
  app_ = &app;
  RecordOptions& o = options_;
  const auto add = [&app](const char* names, auto& value, const std::string& blurb) {
    return app.add_option(names, value, blurb)->group(group);
  };
  add("--output", o.folder, "the folder for the segments; it must be there")->type_name("FOLDER")->required();
  add("--name", o.name,
      "what the names of the segments begin with; recordings of different names share a folder")
      ->type_name("TEXT")
      ->default_str(o.name);
  app.add_flag("--local-time", o.local_time, "local time with its offset in the names, rather than UTC")
      ->group(group);
  add("--container", container_, "what the segments are: MP4 in fragments, or Matroska")
      ->type_name("mp4|matroska")
      ->default_str(container_info(o.container).nick)
      ->check(CLI::IsMember({"mp4", "matroska"}).description(""));
  as_span(add("--segment-duration", segment_duration_, "a new segment after so long: 90s, 10min, 1h"))
      ->default_str(span_text(o.segment_duration));
  as_size(add("--segment-size", segment_size_, "a new segment before it gets larger: 500M, 2G"));
  as_span(add("--max-age", max_age_, "delete this recording's segments that are older: 36h, 7d"));
  as_size(add("--keep-free", keep_free_,
              "delete this recording's oldest segments so that so much of the disk stays free, and stop "
              "when there are none left; 0: no limit"))
      ->default_str("1G, or a twentieth of a smaller disk");
  app.add_flag("--with-sources", o.with_sources,
               "the visible and the infrared picture that each fused one was made of, as further tracks")
      ->group(group);
  std::string names;
  for (const EncoderKind& kind : encoder_kinds())
    names += (names.empty() ? "" : ", ") + std::string(kind.element);
  add("--encoder", o.encoder.description,
      "one of " + names +
          ", of which the first that works is taken otherwise; or another GStreamer element, "
          "or one with properties: \"x264enc tune=zerolatency bitrate=900\"")
      ->type_name("ELEMENT");
  add("--quality", o.encoder.quality, "the same quality whatever it takes: 18 is nearly lossless, 30 small")
      ->type_name("1..51")
      ->default_str(std::to_string(o.encoder.quality))
      ->check(CLI::Range(1, 51).description(""));
  add("--bitrate", o.encoder.bitrate, "so many kbit/s for each track instead of a quality")
      ->type_name("NUMBER")
      ->check(CLI::Range(1, 1'000'000).description(""));
  app.add_flag("--journal", o.json, "what happens to segments as JSON lines on standard output")
      ->group(group);
  app.add_flag("--window", o.window,
               "show what is recorded as well; --view, --statistics and --sink imply it")
      ->group(group);
  add_display_options(app, o.display);
}

RecordOptions RecordOptionsReader::options() const {
  RecordOptions o = options_;
  const auto given = [this](const char* name) { return app_->count(name) > 0; };
  if (const std::string problem = problem_with_prefix(o.name); !problem.empty())
    throw UsageFailure("--name: \"" + o.name + "\" " + problem + ", which no file's name should");
  if (given("--bitrate") && given("--quality"))
    throw UsageFailure("--bitrate and --quality don't go together: the one leaves the other to the encoder");
  if (given("--encoder") && !find_encoder_kind(o.encoder.description) &&
      (given("--bitrate") || given("--quality")))
    throw UsageFailure("--bitrate and --quality are for the encoders of --help without properties: \"" +
                       o.encoder.description + "\" has its own properties");
  if (container_ == container_info(Container::matroska).nick) o.container = Container::matroska;
  if (given("--segment-duration")) o.segment_duration = std::chrono::seconds(std::llround(segment_duration_));
  if (given("--segment-size")) o.segment_size = static_cast<std::uint64_t>(segment_size_);
  if (given("--max-age")) o.max_age = std::chrono::seconds(std::llround(max_age_));
  if (given("--keep-free")) o.keep_free = static_cast<std::uint64_t>(keep_free_);
  for (const char* name : {"--view", "--statistics", "--sink"}) o.window = o.window || given(name);
  return o;
}

void check_folder(const std::filesystem::path& folder) {
  std::error_code error;
  const auto status = std::filesystem::status(folder, error);
  if (!std::filesystem::exists(status))
    throw Failure("--output: the folder " + folder.string() + " isn't there (" +
                  (error ? error.message() : "No such file or directory") +
                  "): make it, or mount its disk, and start again");
  if (!std::filesystem::is_directory(status))
    throw Failure("--output: " + folder.string() + " is a file; it must be a folder");
  // Really written to: permissions alone don't tell of read-only disks, and nothing of root.
  std::string probe = (folder / ".digfusion-record-XXXXXX").string();
  const Descriptor file(::mkostemp(probe.data(), O_CLOEXEC));
  if (!file) {
    const int why = errno;
    // A full disk may be made room on.
    if (why != ENOSPC && why != EDQUOT)
      throw Failure("--output: can't write to the folder " + folder.string() + ": " + std::strerror(why));
    return;
  }
  ::unlink(probe.c_str());
}

std::string size_text(std::uint64_t bytes) {
  constexpr const char* units[] = {"bytes", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < std::size(units); ++unit) value /= 1000;
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd(text, sizeof text, unit > 0 && value < 9.95 ? "%.1f" : "%.0f", value);
  return std::string(text) + " " + units[unit];
}

}  // namespace digfusion::pipelines
