// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "core/interface/error.h"

namespace digfusion {
namespace {

using Json = nlohmann::json;

// A hundred thousand tensors. The format allows ten times as much, which JSON could blow up to gigabytes.
constexpr std::uint64_t largest_header = 10'000'000;

struct Dtype {
  const char* name;
  at::ScalarType type;
};
constexpr Dtype dtypes[] = {
    {"F16", at::kHalf}, {"BF16", at::kBFloat16}, {"F32", at::kFloat}, {"F64", at::kDouble},
    {"I64", at::kLong}, {"I32", at::kInt},       {"U8", at::kByte},   {"BOOL", at::kBool},
};

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::model, "model file " + path + ": " + reason);
}

std::string system_reason() { return std::strerror(errno); }

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// A regular file, read by position. Not mapped: should another process cut the file short, a mapping would
/// kill this one.
class InputFile {
 public:
  /// O_NONBLOCK: a pipe without a writer is refused rather than waited for.
  explicit InputFile(const std::string& path)
      : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (fd_.get() < 0) refuse(path, "can't be opened: " + system_reason());
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) refuse(path, "can't be examined: " + system_reason());
    if (!S_ISREG(info.st_mode)) refuse(path, "is not a regular file");
    size_ = static_cast<std::uint64_t>(info.st_size);
    if (size_ < 8) refuse(path, "is too short for a safetensors file (" + std::to_string(size_) + " bytes)");
  }
  std::uint64_t size() const { return size_; }
  void read(std::uint64_t position, void* to, std::uint64_t bytes) const {
    for (char* out = static_cast<char*>(to); bytes > 0;) {
      const ssize_t got = ::pread(fd_.get(), out, bytes, static_cast<off_t>(position));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) refuse(path_, "can't be read: " + system_reason());
      if (got == 0) refuse(path_, "was cut short while it was read");
      out += got;
      position += static_cast<std::uint64_t>(got);
      bytes -= static_cast<std::uint64_t>(got);
    }
  }

 private:
  std::string path_;
  FileDescriptor fd_;
  std::uint64_t size_ = 0;
};

std::optional<at::ScalarType> scalar_type(const std::string& name) {
  for (const Dtype& d : dtypes)
    if (name == d.name) return d.type;
  return {};
}

struct Entry {
  std::string name;
  at::ScalarType type{};
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;
};

Entry parse_entry(const std::string& path, const std::string& name, const Json& json,
                  std::uint64_t data_size) {
  const auto wrong = [&](const std::string& what) { refuse(path, "tensor \"" + name + "\": " + what); };
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets"))
    wrong("the header has no dtype, shape and data_offsets for it");
  const Json &dtype = json["dtype"], &shape = json["shape"], &offsets = json["data_offsets"];
  if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2 ||
      !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
    wrong("dtype, shape or data_offsets is malformed");

  Entry entry;
  entry.name = name;
  const auto type = scalar_type(dtype.get<std::string>());
  if (!type) wrong("dtype " + dtype.get<std::string>() + " is not supported");
  entry.type = *type;
  entry.begin = offsets[0].get<std::uint64_t>();
  entry.end = offsets[1].get<std::uint64_t>();
  if (entry.begin > entry.end || entry.end > data_size)
    wrong("its bytes " + std::to_string(entry.begin) + ".." + std::to_string(entry.end) +
          " lie outside of the file, which is truncated or damaged");

  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  std::uint64_t bytes = c10::elementSize(entry.type);
  bool is_empty = false;
  if (shape.size() > 8) wrong("it has more than 8 dimensions");
  for (const Json& extent : shape) {
    if (!extent.is_number_unsigned()) wrong("its shape is malformed");
    const std::uint64_t n = extent.get<std::uint64_t>();
    if (n > most / bytes) wrong("its shape is impossibly large");
    if (n == 0)
      is_empty = true;
    else
      bytes *= n;  // strides must fit even where a tensor is empty
    entry.shape.push_back(static_cast<std::int64_t>(n));
  }
  if (is_empty) bytes = 0;
  if (bytes != entry.end - entry.begin)
    wrong("its shape needs " + std::to_string(bytes) + " bytes, the header gives it " +
          std::to_string(entry.end - entry.begin));
  return entry;
}

}  // namespace

SafetensorsFile read_safetensors(const std::string& path) {
  const InputFile file(path);
  std::uint64_t header_size = 0;
  file.read(0, &header_size, 8);
  if (header_size > largest_header || header_size > file.size() - 8)
    refuse(path, "is not a safetensors file, or is truncated (it claims a header of " +
                     std::to_string(header_size) + " bytes and has " + std::to_string(file.size()) +
                     " in all)");
  std::string text(header_size, '\0');
  file.read(8, text.data(), header_size);
  const Json header = Json::parse(text, nullptr, false);
  if (!header.is_object()) refuse(path, "its header is not JSON: not a safetensors file, or a damaged one");

  SafetensorsFile result;
  const std::uint64_t data = 8 + header_size;
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name == "__metadata__") {
      if (!json.is_object()) refuse(path, "__metadata__ is malformed");
      for (const auto& [key, value] : json.items()) {
        if (!value.is_string()) refuse(path, "__metadata__ \"" + key + "\" is not text");
        result.metadata[key] = value.get<std::string>();
      }
      continue;
    }
    entries.push_back(parse_entry(path, name, json, file.size() - data));
  }
  // Before anything is allocated: many tensors that share one range could need more memory than the file has
  // bytes.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  for (std::size_t i = 1; i < entries.size(); ++i)
    if (entries[i].begin < entries[i - 1].end) refuse(path, "two tensors share bytes: the file is damaged");

  for (const Entry& entry : entries) {
    at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.type));
    file.read(data + entry.begin, tensor.data_ptr(), entry.end - entry.begin);
    if (at::isFloatingType(entry.type) && !at::isfinite(tensor).all().item<bool>())
      refuse(path, "tensor \"" + entry.name +
                       "\" holds NaN or infinity: training diverged, or the file is damaged");
    result.tensors.emplace(entry.name, std::move(tensor));
  }
  return result;
}

void write_safetensors(const std::string& path, const SafetensorsFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  std::vector<at::Tensor> bodies;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : file.tensors) {
    const at::Tensor body = tensor.detach().to(at::kCPU).contiguous();
    const auto* dtype = std::find_if(std::begin(dtypes), std::end(dtypes),
                                     [&](const Dtype& d) { return d.type == body.scalar_type(); });
    if (dtype == std::end(dtypes))
      throw Error(ErrorCode::internal,
                  "tensor \"" + name + "\" has a dtype that safetensors files here can't hold");
    header[name] = {{"dtype", dtype->name},
                    {"shape", body.sizes().vec()},
                    {"data_offsets", {offset, offset + body.nbytes()}}};
    offset += body.nbytes();
    bodies.push_back(body);
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t header_size = text.size();

  const std::string temporary = path + ".partial";
  const auto fail = [&](const char* what) {
    const std::string reason = system_reason();
    ::unlink(temporary.c_str());
    throw Error(ErrorCode::invalid_argument, "model file " + path + ": " + what + ": " + reason);
  };
  FileDescriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0) fail("can't be created");
  const auto write_all = [&](const void* bytes, std::size_t size) {
    const char* at = static_cast<const char*>(bytes);
    while (size > 0) {
      const ssize_t written = ::write(fd.get(), at, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("can't be written");
      at += written;
      size -= static_cast<std::size_t>(written);
    }
  };
  write_all(&header_size, 8);
  write_all(text.data(), text.size());
  for (const at::Tensor& body : bodies) write_all(body.const_data_ptr(), body.nbytes());
  if (::fsync(fd.get()) != 0) fail("can't be written");
  if (::close(fd.release()) != 0) fail("can't be written");
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("can't be renamed into place");
}

}  // namespace digfusion
