// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/reader.h"

#include <ATen/Parallel.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/interface/error.h"
#include "tests/fuzz/memory.h"

namespace digfusion {
namespace {

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::_Exit(2);
}

constexpr std::size_t longest_message = 1000;

/// The rest of the file's last page, which may be read unseen otherwise.
class Fence {
 public:
  explicit Fence(const MappedFile& file) : begin_(file.bytes(0, file.size()).data() + file.size()) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    size_ = (page - file.size() % page) % page;
    __asan_poison_memory_region(begin_, size_);
  }
  ~Fence() { __asan_unpoison_memory_region(begin_, size_); }
  Fence(const Fence&) = delete;
  Fence& operator=(const Fence&) = delete;

 private:
  const std::byte* begin_;
  std::size_t size_;
};

bool prepare() {
  at::set_num_threads(1);
  // LibTorch's own clearing up at the end takes minutes with AddressSanitizer. Findings end otherwise.
  return std::atexit([] { std::_Exit(0); }) == 0;
}

}  // namespace

std::shared_ptr<const MappedFile> file_of(std::span<const std::uint8_t> bytes) {
  static const int fd = ::memfd_create("input", MFD_CLOEXEC);
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(bytes.size())) != 0) give_up("a file in memory");
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t written = ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (written <= 0) give_up("a file in memory");
    done += static_cast<std::size_t>(written);
  }
  return std::make_shared<const MappedFile>("/proc/self/fd/" + std::to_string(fd));
}

void read_input(std::span<const std::uint8_t> bytes, Reader read) {
  if (bytes.empty()) return;  // can't be mapped
  static const bool prepared = prepare();
  (void)prepared;
  const auto file = file_of(bytes);
  const Fence fence(*file);
  const MemoryLimit limit(bytes.size());
  try {
    for (const auto& [name, tensor] : read(file)) (void)tensor.load().sum();
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.size() > longest_message || message.find('\n') != std::string::npos) {
      std::fprintf(stderr, "ERROR: a message of %zu characters, or of several lines\n", message.size());
      std::abort();
    }
  }
}

}  // namespace digfusion
