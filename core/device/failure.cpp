// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/device/failure.h"

#include <c10/util/Exception.h>

#include <new>
#include <string_view>

namespace digfusion {
namespace {

constexpr std::string_view mark = "CUDA error: ";

/// "CUDA error: an illegal memory access was encountered\nSearch for `cudaErrorIllegalAddress' in …": the
/// sentence, and the name where LibTorch gives it.
std::string cuda_message(std::string_view what) {
  what.remove_prefix(what.find(mark) + mark.size());
  const std::string sentence(what.substr(0, what.find('\n')));
  std::string name;
  if (const std::size_t begin = what.find("cudaError"); begin != std::string_view::npos)
    name = what.substr(
        begin, what.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", begin) - begin);
  return "the CUDA device failed" + (name.empty() ? "" : " with " + name) + ": " + sentence +
         ". Load the stream again (the element: READY, then PLAYING); where that fails too, the driver has "
         "given "
         "up on this process: start it again, and look for the cause in the kernel's log (NVRM: Xid)";
}

}  // namespace

Failure failure_of(const std::exception& error) {
  if (const auto* own = dynamic_cast<const Error*>(&error)) return {own->code(), own->what()};
  if (dynamic_cast<const std::bad_alloc*>(&error)) return {ErrorCode::out_of_memory, "out of memory"};
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  const std::string_view what = torch ? torch->what_without_backtrace() : error.what();
  const auto has = [&](std::string_view part) { return what.find(part) != std::string_view::npos; };
  // LibTorch's CPU allocator reports through the general error, as do CUDA and cuBLAS where they allocate.
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) || has("DefaultCPUAllocator") ||
      has("CUDA error: out of memory") || has("CUBLAS_STATUS_ALLOC_FAILED"))
    return {ErrorCode::out_of_memory, std::string(what)};
  if (has(mark)) return {ErrorCode::device, cuda_message(what)};
  return {ErrorCode::internal, std::string(what)};
}

}  // namespace digfusion
