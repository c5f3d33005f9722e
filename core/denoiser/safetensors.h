// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The safetensors file format: eight bytes of header length, a JSON header, then the tensors' bytes.
// Nothing in a file is executed, and no size in a header is believed before the file has been seen to hold
// it.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>

namespace digfusion {

using TensorMap = std::map<std::string, at::Tensor>;

struct SafetensorsFile {
  TensorMap tensors;                            ///< on the CPU, in the precision of the file
  std::map<std::string, std::string> metadata;  ///< the header's __metadata__
};

/// Reads a whole file. F16, BF16, F32, F64, I64, I32, U8 and BOOL tensors.
/// Throws Error(model) naming the file and what is wrong in it: missing, truncated, an impossible or
/// overlapping range, a dtype it doesn't know, NaN or infinity among the numbers.
SafetensorsFile read_safetensors(const std::string& path);

/// Writes tensors and metadata under a temporary name and renames it when all is on disk, so that `path` is
/// either the old file or the whole new one. Throws Error(invalid_argument) with the system's reason (disk
/// full, …).
void write_safetensors(const std::string& path, const SafetensorsFile& file);

}  // namespace digfusion
