// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The options of digfusion-record besides those that all programs have.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "pipelines/common/display.h"
#include "pipelines/record/encoder.h"
#include "pipelines/record/retention.h"
#include "pipelines/record/segment_name.h"

namespace digfusion::pipelines {

/// The initialisers are the defaults' only record.
struct RecordOptions {
  std::filesystem::path folder;
  std::string name = "fused";  ///< of the files, before their time
  bool local_time = false;
  Container container = Container::mp4;
  std::chrono::seconds segment_duration{600};  ///< 0: no limit
  std::uint64_t segment_size = 0;              ///< bytes; 0: no limit
  std::chrono::seconds max_age{0};             ///< 0: for ever
  std::optional<std::uint64_t> keep_free;      ///< bytes; nothing: default_keep_free()
  bool with_sources = false;
  EncoderWish encoder;
  bool json = false;
  bool window = false;
  DisplayOptions display;
};

/// 1 GB, or a twentieth of a file system of less than 20 GB.
std::uint64_t default_keep_free(const std::filesystem::path& folder);

class RecordOptionsReader {
 public:
  void add_to(CLI::App& app);
  /// After parsing. Throws UsageFailure: --bitrate and --quality together, a name that can't be a file's, …
  RecordOptions options() const;

 private:
  RecordOptions options_;
  std::string container_;
  double segment_duration_ = 0, max_age_ = 0;  ///< seconds
  double segment_size_ = 0, keep_free_ = 0;    ///< bytes
  CLI::App* app_ = nullptr;
};

/// Throws Failure: it isn't there, is no folder, can't be written to, is read-only.
void check_folder(const std::filesystem::path& folder);

/// "1.5 GB", "12 MB", for messages.
std::string size_text(std::uint64_t bytes);

}  // namespace digfusion::pipelines
