// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/core/denoiser/torch_writer.h"

#include <cstring>

namespace digfusion {
namespace {

template <class Integer>
std::string little(Integer value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string bytes_of(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous();
  return {static_cast<const char*>(dense.const_data_ptr()), dense.nbytes()};
}

}  // namespace

PickleWriter& PickleWriter::integer(std::int64_t number) {
  if (number >= INT32_MIN && number <= INT32_MAX) return raw("J" + little(static_cast<std::int32_t>(number)));
  return raw("\x8a\x08" + little(number));
}

PickleWriter& PickleWriter::text(const std::string& value) {
  return raw("X" + little(static_cast<std::uint32_t>(value.size())) + value);
}

PickleWriter& PickleWriter::global(const std::string& module, const std::string& name) {
  return raw("c" + module + "\n" + name + "\n");
}

PickleWriter& PickleWriter::storage(const std::string& type, const std::string& key, std::int64_t count) {
  raw("(").text("storage").global("torch", type).text(key).text("cpu").integer(count);
  return raw("tQ");
}

PickleWriter& PickleWriter::tuple(const std::vector<std::int64_t>& numbers) {
  raw("(");
  for (const std::int64_t number : numbers) integer(number);
  return raw("t");
}

PickleWriter& PickleWriter::tensor(const std::string& type, const std::string& key, std::int64_t count,
                                   std::int64_t offset, const Shape& sizes, const Shape& strides) {
  global("torch._utils", "_rebuild_tensor_v2").raw("(").storage(type, key, count).integer(offset);
  tuple(sizes).tuple(strides).raw("\x89").global("collections", "OrderedDict");
  return raw(")RtR");
}

std::string storage_type(at::ScalarType type) { return std::string(c10::toString(type)) + "Storage"; }

Saved saved(const TensorMap& tensors) {
  PickleWriter pickle;
  Saved result;
  pickle.global("collections", "OrderedDict").raw(")Rq\1(");
  int number = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::string key = std::to_string(number++);
    pickle.text(name).tensor(storage_type(tensor.scalar_type()), key, tensor.numel(), 0, tensor.sizes().vec(),
                             contiguous_strides(tensor.sizes().vec()));
    result.storages.push_back({key, tensor.contiguous().view(-1)});
  }
  // As state_dict() has it: an attribute _metadata.
  pickle.raw("u}").text("_metadata").global("collections", "OrderedDict").raw(")Rsb");
  result.pickle = pickle.finished();
  return result;
}

std::string zip_file(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string file, directory;
  for (const auto& [name, content] : records) {
    const auto size = static_cast<std::uint32_t>(content.size()),
               position = static_cast<std::uint32_t>(file.size());
    // An extra field, as PyTorch's padding is, so that contents begin at multiples of 64.
    const std::size_t begin = file.size() + 30 + name.size() + 4, padding = (64 - begin % 64) % 64;
    const std::string sizes = little(std::uint32_t{0}) + little(size) + little(size);
    const std::string lengths = little(static_cast<std::uint16_t>(name.size()));
    const std::string stamps(4, '\0');
    file += std::string("PK\3\4") + little(std::uint32_t{0}) + little(std::uint16_t{0}) + stamps + sizes +
            lengths + little(static_cast<std::uint16_t>(padding + 4)) + name + "FB" +
            little(static_cast<std::uint16_t>(padding)) + std::string(padding, 'Z') + content;
    directory += std::string("PK\1\2") + std::string(4, '\0') + std::string(4, '\0') + stamps + sizes +
                 lengths + std::string(12, '\0') + little(position) + name;
  }
  const auto begin = static_cast<std::uint32_t>(file.size());
  const auto count = little(static_cast<std::uint16_t>(records.size()));
  return file + directory + "PK\5\6" + std::string(4, '\0') + count + count +
         little(static_cast<std::uint32_t>(directory.size())) + little(begin) + std::string(2, '\0');
}

std::string torch_zip(const Saved& saved, const std::string& byte_order) {
  std::vector<std::pair<std::string, std::string>> records = {{"archive/data.pkl", saved.pickle},
                                                              {"archive/byteorder", byte_order}};
  for (const SavedStorage& storage : saved.storages)
    records.emplace_back("archive/data/" + storage.key, bytes_of(storage.numbers));
  records.emplace_back("archive/version", "3\n");
  return zip_file(records);
}

std::string torch_legacy(const Saved& saved) {
  std::string file("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  file += PickleWriter().integer(1001).finished();
  file += PickleWriter()
              .raw("}(")
              .text("protocol_version")
              .integer(1001)
              .text("little_endian")
              .raw("\x88u")
              .finished();
  file += saved.pickle;
  PickleWriter keys;
  keys.raw("](");
  for (const SavedStorage& storage : saved.storages) keys.text(storage.key);
  file += keys.raw("e").finished();
  for (const SavedStorage& storage : saved.storages)
    file += little(std::int64_t{storage.numbers.numel()}) + bytes_of(storage.numbers);
  return file;
}

}  // namespace digfusion
