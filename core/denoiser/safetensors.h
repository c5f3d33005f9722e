// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The safetensors file format: eight bytes of header length, a JSON header, then the tensors' bytes.
// Nothing in a file is executed, and no size in a header is believed before the file has been seen to hold
// it.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/denoiser/stored_tensor.h"

namespace digfusion {

struct SafetensorsFile {
  TensorMap tensors;                            ///< on the CPU, in the precision of the file
  std::map<std::string, std::string> metadata;  ///< the header's __metadata__
};

/// Reads a whole file; the tensors are its memory (stored_tensor.h). F16, BF16, F32, F64, I64, I32, U8 and
/// BOOL tensors. Throws Error(model) naming the file and what is wrong in it: missing, truncated, an
/// impossible or overlapping range, a dtype it doesn't know, NaN or infinity among the numbers.
SafetensorsFile read_safetensors(const std::string& path);

/// The same, with the tensors left where they are.
struct StoredSafetensors {
  StoredTensors tensors;
  std::map<std::string, std::string> metadata;
};
StoredSafetensors index_safetensors(const std::shared_ptr<const MappedFile>& file);

/// Writes tensors and metadata under a temporary name and renames it when all is on disk, so that `path` is
/// either the old file or the whole new one. Throws Error(invalid_argument) with the system's reason (disk
/// full, …).
void write_safetensors(const std::string& path, const SafetensorsFile& file);

/// The same for tensors that needn't be in memory together: each is made when its turn comes, converted to
/// `type` and written. What `make` throws ends the writing, and the old file stays.
struct TensorToWrite {
  std::string name;
  at::ScalarType type;
  Shape sizes;
  std::function<at::Tensor()> make;
};
/// Those of a file, in `precision` where one is given and the tensor is of floating point, else as they are.
/// `make` throws Error(model) naming a tensor with numbers beyond the precision's range. `tensors` must
/// outlive what is returned.
std::vector<TensorToWrite> to_write(const StoredTensors& tensors, std::optional<at::ScalarType> precision);
void write_safetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace digfusion
