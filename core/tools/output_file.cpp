// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

[[noreturn]] void fail(const fs::path& path, int error) {
  std::string message = "can't write " + path.string() + ": " + std::generic_category().message(error);
  if (error == ENOSPC || error == EDQUOT) message += "; make room or choose another place";
  throw std::runtime_error(message);
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// An open file that is closed, and removed unless it got its final name.
class OpenFile {
 public:
  OpenFile(fs::path path, int flags, bool temporary)
      : path_(std::move(path)),
        temporary_(temporary),
        handle_(open(path_.c_str(), flags | O_CLOEXEC, 0666)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (handle_ < 0) return;
    if (!closed_) close(handle_);
    if (temporary_) unlink(path_.c_str());
  }

  bool is_open() const { return handle_ >= 0; }

  // All return 0 or the system's error.
  int write_all(const void* bytes, std::size_t size) {
    const char* from = static_cast<const char*>(bytes);
    while (size > 0) {
      const ssize_t written = write(handle_, from, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return errno;
      from += written;
      size -= static_cast<std::size_t>(written);
    }
    return 0;
  }
  int finish() {
    closed_ = true;
    return close(handle_) == 0 ? 0 : errno;  // network file systems tell of a full disk here
  }
  int rename_to(const fs::path& target) {
    if (rename(path_.c_str(), target.c_str()) != 0) return errno;
    temporary_ = false;
    return 0;
  }

 private:
  fs::path path_;
  bool temporary_;
  bool closed_ = false;
  int handle_;
};

}  // namespace

void check_output(const fs::path& path) {
  struct stat about;
  if (stat(path.c_str(), &about) == 0) {
    if (S_ISDIR(about.st_mode)) fail(path, EISDIR);
    if (!S_ISREG(about.st_mode)) {
      if (access(path.c_str(), W_OK) != 0) fail(path, errno);
      return;
    }
  }
  const fs::path folder = folder_of(path);
  if (stat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode))
    throw std::runtime_error("can't write " + path.string() + ": there is no folder " + folder.string() +
                             "; make it first");
  if (access(folder.c_str(), W_OK) != 0) fail(path, errno);
}

void write_file(const fs::path& path, const void* bytes, std::size_t size) {
  check_output(path);
  struct stat about;
  const bool there = stat(path.c_str(), &about) == 0;
  if (there && !S_ISREG(about.st_mode)) {
    // Renaming would put an ordinary file in the device's place.
    OpenFile device(path, O_WRONLY | O_NOCTTY, false);
    if (!device.is_open()) fail(path, errno);
    if (const int error = device.write_all(bytes, size)) fail(path, error);
    if (const int error = device.finish()) fail(path, error);
    return;
  }
  std::error_code unresolved;
  fs::path target = there ? fs::canonical(path, unresolved) : path;
  if (unresolved) fail(path, unresolved.value());

  static std::atomic<unsigned> count{0};
  const fs::path temporary = folder_of(target) / (".digfusion-" + std::to_string(getpid()) + "-" +
                                                  std::to_string(count.fetch_add(1)) + ".tmp");
  unlink(temporary.c_str());  // of a process of the same number that was killed
  OpenFile file(temporary, O_WRONLY | O_CREAT | O_EXCL, true);
  if (!file.is_open()) fail(path, errno);
  if (const int error = file.write_all(bytes, size)) fail(path, error);
  if (const int error = file.finish()) fail(path, error);
  if (const int error = file.rename_to(target)) fail(path, error);
}

std::string folder_name(const std::string& name) {
  std::string folder;
  for (const unsigned char letter : name)
    if (std::isalnum(letter))
      folder += static_cast<char>(std::tolower(letter));
    else if (!folder.empty() && folder.back() != '-')
      folder += '-';
  while (folder.ends_with('-')) folder.pop_back();
  return folder;
}

}  // namespace digfusion::tools
