// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/safetensors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
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

/// A file that goes away unless it is kept.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string name) : name_(std::move(name)) {}
  ~TemporaryFile() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const char* name() const { return name_.c_str(); }
  void keep() { name_.clear(); }

 private:
  std::string name_;
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

Entry parse_entry(const MappedFile& file, const std::string& name, const Json& json,
                  std::uint64_t data_size) {
  const auto wrong = [&](const std::string& what) { file.refuse("tensor \"" + name + "\": " + what); };
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

/// The header's JSON, or none where it isn't JSON or has more in a tensor's entry than any tensor needs: what
/// is thrown away while parsing can't fill the memory.
Json parse_header(std::span<const std::byte> bytes) {
  constexpr int array_depth = 2;       // within header and entry: shape, data_offsets
  constexpr int deepest = 3;           // header, entry, shape
  constexpr std::size_t longest = 16;  // of a shape
  std::size_t extents = 0;
  bool absurd = false;
  const auto keep = [&](int depth, Json::parse_event_t event, Json&) {
    if (event == Json::parse_event_t::array_start || event == Json::parse_event_t::object_start) extents = 0;
    if (event == Json::parse_event_t::array_start && depth != array_depth) absurd = true;
    if (depth > deepest || (depth == deepest && ++extents > longest)) absurd = true;
    return !absurd;
  };
  const char* text = reinterpret_cast<const char*>(bytes.data());
  Json header = Json::parse(text, text + bytes.size(), keep, false);
  return absurd ? Json() : header;
}

}  // namespace

SafetensorsFile read_safetensors(const std::string& path) {
  StoredSafetensors stored = index_safetensors(std::make_shared<const MappedFile>(path));
  SafetensorsFile result{{}, std::move(stored.metadata)};
  for (const auto& [name, tensor] : stored.tensors) result.tensors.emplace(name, tensor.load());
  return result;
}

StoredSafetensors index_safetensors(const std::shared_ptr<const MappedFile>& file) {
  if (file->size() < 8)
    file->refuse("is too short for a safetensors file (" + std::to_string(file->size()) + " bytes)");
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, file->bytes(0, 8).data(), 8);
  if (header_size > largest_header || header_size > file->size() - 8)
    file->refuse("is not a safetensors file, or is truncated (it claims a header of " +
                 std::to_string(header_size) + " bytes and has " + std::to_string(file->size()) + " in all)");
  const Json header = parse_header(file->bytes(8, header_size));
  if (!header.is_object()) file->refuse("its header is not JSON: not a safetensors file, or a damaged one");

  StoredSafetensors result;
  const std::uint64_t data = 8 + header_size;
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name == "__metadata__") {
      if (!json.is_object()) file->refuse("__metadata__ is malformed");
      for (const auto& [key, value] : json.items()) {
        if (!value.is_string()) file->refuse("__metadata__ \"" + key + "\" is not text");
        result.metadata[key] = value.get<std::string>();
      }
      continue;
    }
    entries.push_back(parse_entry(*file, name, json, file->size() - data));
  }
  // Many tensors that share one range could need more memory than the file has bytes.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  for (std::size_t i = 1; i < entries.size(); ++i)
    if (entries[i].begin < entries[i - 1].end) file->refuse("two tensors share bytes: the file is damaged");

  for (Entry& entry : entries) {
    Shape strides = contiguous_strides(entry.shape);
    result.tensors.emplace(entry.name, StoredTensor{file, data + entry.begin, entry.type,
                                                    std::move(entry.shape), std::move(strides)});
  }
  check_numbers(result.tensors, *file);
  return result;
}

void write_safetensors(const std::string& path, const SafetensorsFile& file) {
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, tensor] : file.tensors)
    tensors.push_back(
        {name, tensor.scalar_type(), tensor.sizes().vec(), [&tensor = tensor] { return tensor; }});
  write_safetensors(path, tensors, file.metadata);
}

std::vector<TensorToWrite> to_write(const StoredTensors& tensors, std::optional<at::ScalarType> precision) {
  std::vector<TensorToWrite> result;
  for (const auto& [name, stored] : tensors) {
    const at::ScalarType type = precision && at::isFloatingType(stored.type) ? *precision : stored.type;
    result.push_back({name, type, stored.sizes, [&name = name, &stored = stored, type] {
                        at::Tensor tensor = stored.load().to(type);
                        if (!all_finite(tensor)) refuse_range(stored, name, type);
                        return tensor;
                      }});
  }
  return result;
}

void write_safetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    const auto* dtype = std::find_if(std::begin(dtypes), std::end(dtypes),
                                     [&](const Dtype& d) { return d.type == tensor.type; });
    if (dtype == std::end(dtypes))
      throw Error(ErrorCode::internal,
                  "tensor \"" + tensor.name + "\" has a dtype that safetensors files here can't hold");
    std::uint64_t bytes = c10::elementSize(tensor.type);
    for (const std::int64_t size : tensor.sizes) bytes *= static_cast<std::uint64_t>(size);
    header[tensor.name] = {
        {"dtype", dtype->name}, {"shape", tensor.sizes}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t header_size = text.size();

  const auto fail = [&](const char* what) {
    throw Error(ErrorCode::invalid_argument, "model file " + path + ": " + what + ": " + system_reason());
  };
  TemporaryFile temporary(path + ".partial");
  FileDescriptor fd(::open(temporary.name(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
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
  for (const TensorToWrite& tensor : tensors) {
    const at::Tensor body = tensor.make().detach().to(at::kCPU, tensor.type).contiguous();
    write_all(body.const_data_ptr(), body.nbytes());
  }
  if (::fsync(fd.get()) != 0) fail("can't be written");
  if (::close(fd.release()) != 0) fail("can't be written");
  if (::rename(temporary.name(), path.c_str()) != 0) fail("can't be renamed into place");
  temporary.keep();
}

}  // namespace digfusion
