// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The options that all programs have, under the same names.
#pragma once

#include <gst/gst.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/tools/parameter_options.h"
#include "pipelines/common/address.h"

namespace digfusion::pipelines {

/// Where pictures come from. The initialisers are the defaults' only record.
struct SourceOptions {
  std::optional<Address> visible, infrared;  ///< both, or neither with `pattern`
  std::string pattern;                       ///< of digtestsrc; empty: cameras
  std::uint64_t seed = 0;                    ///< of digtestsrc
  int width = 640, height = 480, rate = 25;  ///< of digtestsrc
  std::chrono::milliseconds timeout{
      10'000};  ///< without a picture, until a camera is given up and tried again
  std::chrono::milliseconds jitter_buffer{200};  ///< rtspsrc's and srtsrc's latency
  std::string rtsp_transport = "auto";           ///< auto (UDP, then TCP), udp, tcp
};

/// When a program ends by itself. Nothing given: at the end of the files, or never.
struct EndOptions {
  std::uint64_t frames = 0;               ///< fused frames; 0: no limit
  std::chrono::milliseconds duration{0};  ///< since the first fused frame; 0: no limit
};

/// Adds the common options to a program's own and reads them.
///     VISIBLE INFRARED             two addresses, or --visible ADDRESS --infrared ADDRESS
///     --test [PATTERN] --test-seed --size WIDTHxHEIGHT --rate   (--seed is the fusion's)
///     --timeout SECONDS --jitter-buffer MILLISECONDS --rtsp-transport
///     --credentials FILE           lines "visible USER PASSWORD" and "infrared USER PASSWORD" (a command
///     line is
///                                  visible to every user of the machine); the file may not be readable by
///                                  others
///     --frames N --duration SECONDS
///     --quiet                      only errors
///     --preset, --method, …        the fusion's parameters (core/parameters)
class CommonOptions {
 public:
  explicit CommonOptions(CLI::App& app);
  CommonOptions(const CommonOptions&) = delete;
  CommonOptions& operator=(const CommonOptions&) = delete;

  /// After parsing. Throws UsageFailure (parse_address(); --test together with addresses; only one address;
  /// …).
  SourceOptions sources() const;
  EndOptions end() const;
  bool quiet() const;
  /// Sets the fusion's parameters on an element digfusion: those given, the preset first.
  void apply_fusion(GstElement* digfusion) const;

 private:
  struct Texts;  ///< what CLI11 fills
  std::unique_ptr<Texts> texts_;
  std::unique_ptr<tools::ParameterOptions> parameters_;  ///< last in --help

 public:
  ~CommonOptions();
};

}  // namespace digfusion::pipelines
