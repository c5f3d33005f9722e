// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/adm_memory.h"

#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>

namespace digfusion {
namespace {

constexpr std::size_t least = std::size_t{32} << 20;  // glibc's largest threshold for blocks of their own
constexpr std::uintptr_t huge_page = std::uintptr_t{2} << 20;

thread_local bool wanted = false;

/// LibTorch's allocator of CPU memory; where wanted, large blocks are advised before anybody writes to them.
class Adviser final : public c10::Allocator {
 public:
  explicit Adviser(c10::Allocator& inner) : inner_(inner) {}

  c10::DataPtr allocate(std::size_t bytes) override {
    c10::DataPtr block = inner_.allocate(bytes);
#ifdef MADV_HUGEPAGE
    if (wanted && bytes >= least) {
      const auto begin = reinterpret_cast<std::uintptr_t>(block.get());
      const std::uintptr_t first = (begin + huge_page - 1) / huge_page * huge_page,
                           end = (begin + bytes) / huge_page * huge_page;
      ::madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);  // no harm where it fails
    }
#endif
    return block;
  }
  c10::DeleterFnPtr raw_deleter() const override { return inner_.raw_deleter(); }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    inner_.copy_data(to, from, bytes);
  }

 private:
  c10::Allocator& inner_;
};

/// When the library is loaded, before any thread computes; it stays in memory as LibTorch does.
[[maybe_unused]] const bool installed = [] {
  static Adviser adviser(*c10::GetCPUAllocator());
  c10::SetCPUAllocator(&adviser, 1);  // above LibTorch's own, below whoever asks for more
  return true;
}();

}  // namespace

LargePages::LargePages() : before_(wanted) { wanted = true; }
LargePages::~LargePages() { wanted = before_; }

void give_back_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace digfusion
