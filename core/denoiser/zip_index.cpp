// SPDX-License-Identifier: LGPL-2.1-or-later
//
// PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
#include "core/denoiser/zip_index.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

namespace digfusion {
namespace {

static_assert(std::endian::native == std::endian::little);

/// Little-endian numbers of a part of the file that is known to be there.
class Fields {
 public:
  Fields(const MappedFile& file, std::uint64_t position, std::uint64_t size)
      : bytes_(file.bytes(position, size)) {}
  template <class Integer>
  Integer at(std::size_t offset) const {
    Integer value;
    std::memcpy(&value, bytes_.subspan(offset, sizeof value).data(), sizeof value);
    return value;
  }
  std::uint16_t two(std::size_t offset) const { return at<std::uint16_t>(offset); }
  std::uint32_t four(std::size_t offset) const { return at<std::uint32_t>(offset); }
  std::uint64_t eight(std::size_t offset) const { return at<std::uint64_t>(offset); }
  std::string_view text(std::size_t offset, std::size_t size) const {
    return {reinterpret_cast<const char*>(bytes_.subspan(offset, size).data()), size};
  }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
};

constexpr std::uint64_t end_size = 22, end64_size = 56, locator_size = 20, central_size = 46, local_size = 30;
constexpr std::uint32_t all_ones = std::numeric_limits<std::uint32_t>::max();

[[noreturn]] void damaged(const MappedFile& file, const std::string& what) {
  file.refuse("is a zip file that is truncated or damaged: " + what);
}

struct Directory {
  std::uint64_t position, size, entries;
};

Directory find_directory(const MappedFile& file) {
  // The end record is the last but for a comment of up to 65535 bytes.
  std::optional<std::uint64_t> end;
  const std::uint64_t tail_size = std::min<std::uint64_t>(file.size(), end_size + 65535);
  const Fields tail(file, file.size() - tail_size, tail_size);
  for (std::uint64_t length = end_size; !end && length <= tail_size; ++length) {
    const std::uint64_t at = tail_size - length;
    if (tail.four(at) == 0x06054b50 && end_size + tail.two(at + 20) == length) end = file.size() - length;
  }
  if (!end) damaged(file, "it has no end record");
  const Fields fields(file, *end, end_size);
  Directory directory{fields.four(16), fields.four(12), fields.two(10)};
  if (*end >= locator_size) {
    const Fields locator(file, *end - locator_size, locator_size);
    if (locator.four(0) == 0x07064b50) {
      const std::uint64_t position = locator.eight(8);
      if (!file.holds(position, end64_size)) damaged(file, "its zip64 end record lies outside of it");
      const Fields wide(file, position, end64_size);
      if (wide.four(0) != 0x06064b50) damaged(file, "it has no zip64 end record");
      directory = {wide.eight(48), wide.eight(40), wide.eight(32)};
    }
  }
  if (!file.holds(directory.position, directory.size)) damaged(file, "its directory lies outside of it");
  return directory;
}

struct Entry {
  std::string_view name;
  std::uint64_t size, stored_size, position;
  std::uint16_t flags, method;
};

/// Replaces what the 32-bit fields can't hold by what the zip64 extra field has, in its fixed order.
void widen(Entry& entry, const Fields& extra) {
  for (std::size_t at = 0; at + 4 <= extra.size();) {
    const std::size_t length = extra.two(at + 2);
    std::size_t from = at + 4;
    const std::size_t end = std::min(from + length, extra.size());
    if (extra.two(at) == 1)
      for (std::uint64_t* field : {&entry.size, &entry.stored_size, &entry.position})
        if (*field == all_ones && from + 8 <= end) {
          *field = extra.eight(from);
          from += 8;
        }
    at += 4 + length;
  }
}

/// Where the contents begin: after the local header, whose name and extra field have lengths of their own.
ZipRecord locate(const MappedFile& file, const Entry& entry) {
  const std::string quoted = "\"" + std::string(entry.name.substr(0, 100)) + "\"";
  if (entry.flags & 1) file.refuse("its record " + quoted + " is encrypted");
  if (entry.method != 0 || entry.size != entry.stored_size)
    file.refuse("its record " + quoted +
                " is compressed, as PyTorch never does; save it again with torch.save");
  if (!file.holds(entry.position, local_size)) damaged(file, "record " + quoted + " lies outside of it");
  const Fields local(file, entry.position, local_size);
  if (local.four(0) != 0x04034b50) damaged(file, "record " + quoted + " isn't where its directory says");
  const ZipRecord record{entry.position + local_size + local.two(26) + local.two(28), entry.size};
  if (!file.holds(record.position, record.size)) damaged(file, "record " + quoted + " lies outside of it");
  return record;
}

}  // namespace

std::map<std::string, ZipRecord, std::less<>> zip_index(const MappedFile& file) {
  const Directory directory = find_directory(file);
  std::map<std::string, ZipRecord, std::less<>> records;
  std::uint64_t at = directory.position;
  const std::uint64_t end = directory.position + directory.size;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (end - at < central_size) damaged(file, "its directory is too short");
    const Fields fields(file, at, central_size);
    if (fields.four(0) != 0x02014b50) damaged(file, "its directory is no directory");
    const std::uint64_t name = fields.two(28), extra = fields.two(30), comment = fields.two(32);
    if (end - at - central_size < name + extra + comment) damaged(file, "its directory is too short");
    Entry entry{Fields(file, at + central_size, name).text(0, name),
                fields.four(24),
                fields.four(20),
                fields.four(42),
                fields.two(8),
                fields.two(10)};
    widen(entry, Fields(file, at + central_size + name, extra));
    records.insert_or_assign(std::string(entry.name), locate(file, entry));
    at += central_size + name + extra + comment;
  }
  return records;
}

}  // namespace digfusion
