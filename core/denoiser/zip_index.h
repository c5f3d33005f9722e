// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The records of a zip archive whose contents are stored as they are, which PyTorch's are: where each lies in
// the file. Zip64 included; compressed or encrypted records are refused.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/denoiser/mapped_file.h"

namespace digfusion {

struct ZipRecord {
  std::uint64_t position = 0, size = 0;  ///< of the contents, in bytes; seen to lie in the file
};

/// By name. Throws Error(model) naming what is wrong.
std::map<std::string, ZipRecord, std::less<>> zip_index(const MappedFile& file);

}  // namespace digfusion
