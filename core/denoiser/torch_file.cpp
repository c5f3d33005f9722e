// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/torch_file.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "core/denoiser/unpickler.h"
#include "core/denoiser/zip_index.h"

namespace digfusion {
namespace {

using Kind = Pickle::Kind;

/// The first pickle of the legacy format: protocol 2, and the number 0x1950a86a20f9469cfc6c.
constexpr std::string_view legacy_mark("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
constexpr std::string_view zip_mark("PK\3\4", 4);

bool begins_with(const MappedFile& file, std::string_view mark) {
  return file.holds(0, mark.size()) &&
         std::memcmp(file.bytes(0, mark.size()).data(), mark.data(), mark.size()) == 0;
}

/// A pickle within the file. Its memory is bounded by the file's size: a value takes up to a hundred bytes or
/// so, while a checkpoint has thousands of bytes of numbers for each.
Pickle unpickle(const MappedFile& file, std::uint64_t position, std::uint64_t size) {
  try {
    return Pickle(file.bytes(position, size), 100'000 + file.size() / 256);
  } catch (const std::runtime_error& error) {
    file.refuse(error.what());
  }
}

/// The value of a text key of a dict.
const Pickle::Value* find(const Pickle::Value& dict, std::string_view key) {
  if (dict.kind != Kind::dict) return nullptr;
  const auto& items = dict.node->items;
  for (std::size_t i = 0; i < items.size(); i += 2)
    if (items[i].kind == Kind::text && items[i].node->text == key) return &items[i + 1];
  return nullptr;
}

std::map<std::string, const Pickle::Tensor*> tensors_of(const MappedFile& file, const Pickle::Value& dict) {
  constexpr std::size_t longest_name = 1000;  // thousands of tensors may share one
  std::map<std::string, const Pickle::Tensor*> result;
  if (dict.kind != Kind::dict) return result;
  const auto& items = dict.node->items;
  for (std::size_t i = 0; i < items.size(); i += 2)
    if (items[i].kind == Kind::text && items[i + 1].kind == Kind::tensor) {
      if (items[i].node->text.size() > longest_name)
        file.refuse("a tensor's name has " + std::to_string(items[i].node->text.size()) + " characters");
      result.insert_or_assign(std::string(items[i].node->text), items[i + 1].node->tensor.get());
    }
  return result;
}

/// The state dict of what was saved: that itself, or the best under a usual name (read_checkpoint()).
std::map<std::string, const Pickle::Tensor*> state_dict(const MappedFile& file, const Pickle::Value& root) {
  std::map<std::string, const Pickle::Tensor*> tensors;
  for (const char* key : {"ema", "model_ema", "ema_state_dict", "params_ema", "state_dict",
                          "model_state_dict", "model", "params"}) {
    if (const Pickle::Value* nested = find(root, key)) tensors = tensors_of(file, *nested);
    if (!tensors.empty()) break;
  }
  if (tensors.empty()) tensors = tensors_of(file, root);
  if (tensors.empty()) file.refuse("it holds no dict of tensors by name, as a state_dict is");
  constexpr std::string_view prefix = "module.";  // of DataParallel
  if (std::all_of(tensors.begin(), tensors.end(),
                  [&](const auto& item) { return item.first.starts_with(prefix); })) {
    std::map<std::string, const Pickle::Tensor*> shorter;
    for (const auto& [name, tensor] : tensors) shorter.emplace(name.substr(prefix.size()), tensor);
    tensors.swap(shorter);
  }
  return tensors;
}

/// Where a whole storage lies in the file.
struct Place {
  std::uint64_t position, bytes;
};
using Places = std::function<Place(const Pickle::Storage& storage)>;

std::uint64_t bytes_of(const MappedFile& file, std::int64_t count, at::ScalarType type) {
  std::uint64_t bytes = 0;
  if (count < 0 || __builtin_mul_overflow(static_cast<std::uint64_t>(count), c10::elementSize(type), &bytes))
    file.refuse("it has a storage of impossible size");
  return bytes;
}

StoredTensors placed_tensors(const std::shared_ptr<const MappedFile>& file, const Pickle::Value& root,
                             const Places& places) {
  StoredTensors result;
  for (const auto& [name, tensor] : state_dict(*file, root)) {
    const Pickle::Storage& storage = *tensor->storage->storage;
    const Place place = places(storage);
    const std::uint64_t element = c10::elementSize(storage.type);
    const std::uint64_t first = bytes_of(*file, storage.first, storage.type);
    if (first > place.bytes || bytes_of(*file, storage.count, storage.type) > place.bytes - first)
      file->refuse("tensor \"" + name + "\" needs a storage of " + std::to_string(storage.count) +
                   " numbers; the file has " + std::to_string(place.bytes) + " bytes for it");
    result.emplace(
        name,
        StoredTensor{file, place.position + first + static_cast<std::uint64_t>(tensor->offset) * element,
                     storage.type, tensor->sizes, tensor->strides});
  }
  check_numbers(result, *file);
  return result;
}

}  // namespace

bool is_torch_zip(const MappedFile& file) { return begins_with(file, zip_mark); }
bool is_torch_legacy(const MappedFile& file) { return begins_with(file, legacy_mark); }

StoredTensors read_torch_zip(const std::shared_ptr<const MappedFile>& file) {
  const auto records = zip_index(*file);
  // Everything is in one folder, whatever its name.
  constexpr std::string_view pickle_name = "data.pkl";
  const auto pickled = std::find_if(records.begin(), records.end(), [&](const auto& record) {
    return record.first.ends_with(pickle_name) &&
           record.first.find('/') == record.first.size() - pickle_name.size() - 1;
  });
  if (pickled == records.end()) file->refuse("is a zip file without a data.pkl: not a PyTorch checkpoint");
  const std::string folder = pickled->first.substr(0, pickled->first.size() - pickle_name.size());
  if (const auto order = records.find(folder + "byteorder"); order != records.end()) {
    const auto bytes = file->bytes(order->second.position, order->second.size);
    if (std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()) != "little")
      file->refuse("its numbers aren't little-endian; save it again on a little-endian machine");
  }
  const Pickle pickle = unpickle(*file, pickled->second.position, pickled->second.size);
  return placed_tensors(file, pickle.result(), [&](const Pickle::Storage& storage) {
    const auto record = records.find(folder + "data/" + std::string(storage.key));
    if (record == records.end())
      file->refuse("its storage \"" + std::string(storage.key.substr(0, 100)) + "\" is missing");
    return Place{record->second.position, record->second.size};
  });
}

StoredTensors read_torch_legacy(const std::shared_ptr<const MappedFile>& file) {
  std::uint64_t at = legacy_mark.size();
  const auto next = [&] {
    Pickle pickle = unpickle(*file, at, file->size() - at);
    at += pickle.size();
    return pickle;
  };
  const Pickle protocol = next();
  if (protocol.result().kind != Kind::integer || protocol.result().integer != 1001)
    file->refuse("is a PyTorch file of a protocol that isn't known");
  const Pickle system = next();
  const Pickle::Value* little = find(system.result(), "little_endian");
  if (!little || little->kind != Kind::boolean || !little->boolean)
    file->refuse("its numbers aren't little-endian; save it again on a little-endian machine");
  const Pickle pickle = next();
  std::map<std::string_view, const Pickle::Storage*> storages;
  for (const Pickle::Node& node : pickle.nodes())
    if (node.storage) storages.emplace(node.storage->key, node.storage.get());

  // The storages follow in the order of this list, each with its count before it.
  const Pickle keys = next();
  if (keys.result().kind != Kind::sequence) file->refuse("its list of storages is damaged");
  std::map<std::string_view, Place> places;
  for (const Pickle::Value& key : keys.result().node->items) {
    const auto storage = key.kind == Kind::text ? storages.find(key.node->text) : storages.end();
    if (storage == storages.end()) file->refuse("its list of storages is damaged");
    std::int64_t count = 0;
    std::memcpy(&count, file->bytes(at, sizeof count).data(), sizeof count);
    at += sizeof count;
    if (count != storage->second->whole)
      file->refuse("its storage \"" + std::string(storage->first.substr(0, 100)) + "\" has " +
                   std::to_string(count) + " numbers and should have " +
                   std::to_string(storage->second->whole));
    const std::uint64_t bytes = bytes_of(*file, count, storage->second->type);
    (void)file->bytes(at, bytes);
    places.insert_or_assign(storage->first, Place{at, bytes});
    at += bytes;
  }
  return placed_tensors(file, pickle.result(), [&](const Pickle::Storage& storage) {
    const auto place = places.find(storage.key);
    if (place == places.end())
      file->refuse("its storage \"" + std::string(storage.key.substr(0, 100)) + "\" is missing");
    return place->second;
  });
}

}  // namespace digfusion
