// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a player finds in a segment: every picture of every track, decoded.
#pragma once

#include <gst/gst.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace digfusion::test {

struct DecodedTrack {
  std::string title;
  int width = 0, height = 0;
  std::vector<GstClockTime> times;  ///< running times of its pictures
  std::vector<int> brightness;      ///< their mean luma
  /// The longest from one picture to the next; 0 for less than two.
  GstClockTime longest_gap() const;
};

/// The tracks of a file that digfusion-record has made, in their order. A failed expectation where anything
/// can't be decoded.
std::vector<DecodedTrack> decode(const std::filesystem::path& file);

/// The folder's files, sorted by their names.
std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder);

}  // namespace digfusion::test
