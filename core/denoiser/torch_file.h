// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The two formats of torch.save: a zip archive of a pickle and its storages, uncompressed, and the older one,
// of five pickles and the storages after each other.
#pragma once

#include <memory>

#include "core/denoiser/stored_tensor.h"

namespace digfusion {

/// By the first bytes.
bool is_torch_zip(const MappedFile& file);
bool is_torch_legacy(const MappedFile& file);

/// The state dict. Throws Error(model): see read_checkpoint().
StoredTensors read_torch_zip(const std::shared_ptr<const MappedFile>& file);
StoredTensors read_torch_legacy(const std::shared_ptr<const MappedFile>& file);

}  // namespace digfusion
