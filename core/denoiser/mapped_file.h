// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A file as memory. Model files of gigabytes are read through a mapping, so that what a tensor is converted
// from never counts as the process's own memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace digfusion {

/// A regular file, mapped whole, privately: who writes to the memory changes a page of his own, never the
/// file. Whoever replaces a model file while it is being read should do so by renaming, as
/// write_safetensors() does: cutting a mapped file short is fatal (SIGBUS) to any program that reads it.
class MappedFile {
 public:
  /// Throws Error(model) with the system's reason; for what isn't a regular file, too.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  bool holds(std::uint64_t position, std::uint64_t bytes) const {
    return position <= size_ && bytes <= size_ - position;
  }
  /// Throws Error(model) when the range isn't in the file, or the file has been cut short since it was
  /// opened.
  std::span<const std::byte> bytes(std::uint64_t position, std::uint64_t count) const;

  /// Whole pages of a range leave memory until someone reads them again; what was written to them is lost.
  void let_go(std::uint64_t position, std::uint64_t count) const;

  /// Throws Error(model): "model file PATH: reason", the reason on one line and cut to 500 characters.
  [[noreturn]] void refuse(const std::string& reason) const;

 private:
  std::string path_;
  int fd_ = -1;
  std::byte* memory_ = nullptr;
  std::uint64_t size_ = 0;
};

}  // namespace digfusion
