// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/checkpoint.h"

#include <string_view>

#include "core/denoiser/safetensors.h"
#include "core/denoiser/torch_file.h"

namespace digfusion {

const char* name_of(CheckpointFormat format) {
  switch (format) {
    case CheckpointFormat::torch_zip:
      return "PyTorch zip";
    case CheckpointFormat::torch_legacy:
      return "PyTorch before 1.6";
    case CheckpointFormat::safetensors:
      break;
  }
  return "safetensors";
}

Checkpoint read_checkpoint(const std::string& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  if (is_torch_zip(*file)) return {CheckpointFormat::torch_zip, read_torch_zip(file), {}};
  if (is_torch_legacy(*file)) return {CheckpointFormat::torch_legacy, read_torch_legacy(file), {}};
  if (file->size() > 262) {
    const auto mark = file->bytes(257, 5);
    if (std::string_view(reinterpret_cast<const char*>(mark.data()), mark.size()) == "ustar")
      file->refuse("is a tar file, as PyTorch wrote before version 0.2; save it again with a newer PyTorch");
  }
  StoredSafetensors stored = index_safetensors(file);
  return {CheckpointFormat::safetensors, std::move(stored.tensors), std::move(stored.metadata)};
}

}  // namespace digfusion
