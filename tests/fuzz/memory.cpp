// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/memory.h"

#include <sanitizer/allocator_interface.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace digfusion {
namespace {

struct Budget {
  bool watched = false;
  std::int64_t largest = 0, most = 0, held = 0;  // bytes
};
thread_local Budget budget;

void allocated(const volatile void*, std::size_t size) {
  if (!budget.watched) return;
  const auto bytes = static_cast<std::int64_t>(size);
  budget.held += bytes;
  if (bytes <= budget.largest && budget.held <= budget.most) return;
  budget.watched = false;
  std::fprintf(stderr,
               "ERROR: an allocation of %lld bytes (at most %lld allowed); %lld held (at most %lld)\n",
               static_cast<long long>(bytes), static_cast<long long>(budget.largest),
               static_cast<long long>(budget.held), static_cast<long long>(budget.most));
  std::abort();
}

void freed(const volatile void* memory) {
  if (budget.watched)
    budget.held -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(const_cast<const void*>(memory)));
}

}  // namespace

MemoryLimit::MemoryLimit(std::size_t file_size) {
  static const int installed = __sanitizer_install_malloc_and_free_hooks(allocated, freed);
  if (installed == 0) std::abort();
  constexpr std::int64_t mebibyte = 1 << 20;
  const auto size = static_cast<std::int64_t>(file_size);
  budget = {true, size + 2 * mebibyte + 4096, 16 * size + 16 * mebibyte, 0};
}

MemoryLimit::~MemoryLimit() { budget.watched = false; }

}  // namespace digfusion
