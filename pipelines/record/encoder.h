// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which encoder makes the segments: the first that is installed and really works here.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipelines/record/segment_name.h"

namespace digfusion::pipelines {

/// What the operator asks for.
struct EncoderWish {
  /// Empty: choose. A kind's name: that one, with its settings. Anything else is taken as it is: an element
  /// of another name, or with properties ("x264enc bitrate=900").
  std::string description{};
  unsigned bitrate = 0;   ///< kbit/s of each track; 0: by `quality`
  unsigned quality = 23;  ///< H.264's quantiser: 1 (large files, nearly lossless) to 51 (small, poor)
};

/// One that has been found to work.
struct Encoder {
  std::string description;  ///< for gst_parse_bin_from_description()
  std::string parser;       ///< the element that comes behind it
  std::string name() const { return description.substr(0, description.find(' ')); }
};

struct EncoderKind {
  const char* element;
  const char* settings;    ///< for speed; no key frames where none is asked for, as far as it can be told
  const char* by_quality;  ///< with {} for the quantiser
  const char* by_bitrate;  ///< with {} for the rate, in the unit that follows
  unsigned bitrate_unit;   ///< bit/s of its `bitrate`
  const char* needs;       ///< besides its package: "an NVIDIA GPU and its driver"
};
/// In the order of preference: hardware first.
std::span<const EncoderKind> encoder_kinds();
/// The kind of an element's name alone; null for others, and for a name with properties.
const EncoderKind* find_encoder_kind(std::string_view element);
/// A kind with its settings for what is wished.
std::string encoder_description(const EncoderKind& kind, const EncoderWish& wish);

/// How encoders are found; tests have others.
struct EncoderProbe {
  std::function<bool(const char* element)> is_installed;
  /// Encodes a few pictures. Empty if that works, else why not; throws nothing.
  std::function<std::string(const Encoder& encoder, Container container)> try_out;
};
EncoderProbe real_encoder_probe();

struct EncoderChoice {
  Encoder encoder;
  std::vector<std::string> passed_over;  ///< what was installed and didn't work: "vah264enc: …"
};
/// Throws Failure when there is none (with the packages to install) or the wished one doesn't work.
EncoderChoice choose_encoder(const EncoderWish& wish, Container container,
                             const EncoderProbe& probe = real_encoder_probe());

/// A key frame at least this often, a round number of them a second: what splitmuxsink holds back, and so
/// part of what a power cut costs (docs/record.md).
constexpr GstClockTime key_frame_interval = 400 * GST_MSECOND;

/// Picture in, parsed video out: a bin, floating, with the pads "sink" and "src". It makes the first picture
/// of every key_frame_interval of the timestamps a key frame, so the key frames of several tracks are those
/// of the same pictures, and can begin a segment together. Throws Failure.
GstElement* make_encoder_bin(const Encoder& encoder);

}  // namespace digfusion::pipelines
