// SPDX-License-Identifier: LGPL-2.1-or-later
//
// safetensors files, mostly their headers.
#include "core/denoiser/safetensors.h"
#include "tests/fuzz/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace digfusion;
  read_input({data, size}, [](const auto& file) { return index_safetensors(file).tensors; });
  return 0;
}
