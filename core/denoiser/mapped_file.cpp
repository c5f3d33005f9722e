// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/interface/error.h"

namespace digfusion {
namespace {

std::string system_reason() { return std::strerror(errno); }

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // O_NONBLOCK: a pipe without a writer is refused rather than waited for.
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) refuse("can't be opened: " + system_reason());
  const auto fail = [&](const std::string& reason) {
    ::close(fd_);
    refuse(reason);
  };
  struct stat info {};
  if (::fstat(fd_, &info) != 0) fail("can't be examined: " + system_reason());
  if (!S_ISREG(info.st_mode)) fail("is not a regular file");
  if (info.st_size == 0) fail("is empty, too short for a model file");
  size_ = static_cast<std::uint64_t>(info.st_size);
  // Writable but private: a tensor over the mapping is as good as any other.
  void* memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd_, 0);
  if (memory == MAP_FAILED) fail("can't be mapped: " + system_reason());
  memory_ = static_cast<std::byte*>(memory);
}

MappedFile::~MappedFile() {
  ::munmap(memory_, size_);
  ::close(fd_);
}

void MappedFile::refuse(const std::string& reason) const {
  // Names of tensors are the file's own, of any length and content.
  constexpr std::size_t longest = 500;
  std::string line = reason.substr(0, longest);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = '?';
  throw Error(ErrorCode::model, "model file " + path_ + ": " + line + (reason.size() > longest ? " …" : ""));
}

std::span<const std::byte> MappedFile::bytes(std::uint64_t position, std::uint64_t count) const {
  if (!holds(position, count))
    refuse("is truncated or damaged: bytes " + std::to_string(position) + " to " +
           std::to_string(position + count) + " are needed, it has " + std::to_string(size_));
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || static_cast<std::uint64_t>(info.st_size) < size_)
    refuse("was cut short while it was read");
  return {memory_ + position, count};
}

void MappedFile::let_go(std::uint64_t position, std::uint64_t count) const {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = (position + page - 1) / page * page, end = (position + count) / page * page;
  if (begin < end) ::madvise(memory_ + begin, end - begin, MADV_DONTNEED);
}

}  // namespace digfusion
