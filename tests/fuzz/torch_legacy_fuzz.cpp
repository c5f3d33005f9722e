// SPDX-License-Identifier: LGPL-2.1-or-later
//
// PyTorch's files from before version 1.6.
#include "core/denoiser/torch_file.h"
#include "tests/fuzz/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  digfusion::read_input({data, size}, digfusion::read_torch_legacy);
  return 0;
}
