// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the fuzz targets do with an input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "core/denoiser/stored_tensor.h"

namespace digfusion {

using Reader = StoredTensors (*)(const std::shared_ptr<const MappedFile>& file);

/// The bytes as a file in memory; the same file each time, so the last one must not be mapped any more.
std::shared_ptr<const MappedFile> file_of(std::span<const std::uint8_t> bytes);

/// Reads the bytes as a file, and every tensor that was found, within a MemoryLimit. Reads beyond the file's
/// end are seen. What a reader may throw is an Error with one line of text; anything else ends the process.
void read_input(std::span<const std::uint8_t> bytes, Reader read);

}  // namespace digfusion
