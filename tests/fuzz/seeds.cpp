// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Writes what fuzzing begins with:  fuzz_seeds FOLDER
// FOLDER/TARGET/ gets small files, made by the tests' writers and, where DIGFUSION_TEST_DATA names a folder
// with reference/, cut out of its checkpoints; FOLDER/TARGET.whole/ gets those checkpoints themselves. Of
// each there are copies that are truncated or have bits flipped.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/denoiser/safetensors.h"
#include "core/denoiser/torch_file.h"
#include "core/denoiser/zip_index.h"
#include "tests/core/denoiser/torch_writer.h"

namespace fs = std::filesystem;

namespace digfusion {
namespace {

constexpr std::size_t small_size = 64 * 1024;

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Seeds {
 public:
  explicit Seeds(fs::path folder) : folder_(std::move(folder)) {}

  /// The bytes and their damaged copies; flips are within the first or last `structure` bytes.
  void add(const std::string& target, const std::string& bytes, int truncated, int flipped) {
    write(target, bytes);
    for (int i = 1; i <= truncated; ++i)
      write(target, bytes.substr(0, bytes.size() * std::size_t(i) / std::size_t(truncated + 1)));
    for (int i = 0; i < flipped; ++i) {
      std::string damaged = bytes;
      for (int flips = 0; flips < 3; ++flips) {
        std::size_t at = random_() % std::min(bytes.size(), small_size);
        if (random_() % 2) at = bytes.size() - 1 - at;
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << random_() % 8));
      }
      write(target, damaged);
    }
  }
  void add_small(const std::string& target, const std::string& bytes) { add(target, bytes, 4, 8); }
  void add_whole(const std::string& target, const std::string& bytes) { add(target + ".whole", bytes, 2, 3); }

  void add_tensors(const TensorMap& tensors) {
    add_small("torch_zip", torch_zip(saved(tensors)));
    add_small("torch_legacy", torch_legacy(saved(tensors)));
    const fs::path path = folder_ / "seed.safetensors";
    write_safetensors(path, {tensors, {{"key", "value"}}});
    add_small("safetensors", read_bytes(path));
    fs::remove(path);
  }
  void add_pickle(const Saved& pickle) {
    add_small("torch_zip", torch_zip(pickle));
    add_small("torch_legacy", torch_legacy(pickle));
  }

 private:
  void write(const std::string& target, const std::string& bytes) {
    fs::create_directories(folder_ / target);
    std::ofstream file(folder_ / target / std::to_string(count_++), std::ios::binary);
    file.exceptions(std::ios::failbit | std::ios::badbit);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  fs::path folder_;
  int count_ = 0;
  std::mt19937 random_{1};
};

/// What checkpoints hold beside plain state dicts: nested dicts, views of one storage, parameters, sizes.
Saved mixture() {
  PickleWriter pickle;
  pickle.raw("}(")
      .text("epoch")
      .integer(7)
      .text("rate")
      .raw("G" + std::string(8, '\1'))
      .text("none")
      .raw("N");
  pickle.text("size")
      .global("torch", "Size")
      .raw("(")
      .integer(3)
      .raw("tq\1\x85R")
      .text("list")
      .raw("](h\1h\1e");
  pickle.text("ema").global("collections", "OrderedDict").raw(")Rq\2(");
  pickle.text("module.rows").tensor("FloatStorage", "0", 12, 0, {3, 4}, {4, 1});
  pickle.text("module.columns").tensor("FloatStorage", "0", 12, 0, {4, 3}, {1, 4});
  pickle.text("module.part").global("torch._utils", "_rebuild_parameter").raw("(");
  pickle.tensor("HalfStorage", "1", 9, 5, {2}, {3})
      .raw("\x88")
      .global("collections", "OrderedDict")
      .raw(")RtR");
  pickle.raw("uu");
  return {pickle.finished(), {{"0", at::arange(12, at::kFloat)}, {"1", at::arange(9, at::kHalf)}}};
}

/// The zip file with every storage cut to a few bytes: the pickle is then read to its end.
std::string without_storages(const MappedFile& file) {
  std::vector<std::pair<std::string, std::string>> records;
  for (const auto& [name, record] : zip_index(file)) {
    const auto bytes = file.bytes(record.position, record.size);
    const std::string contents(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    records.emplace_back(name, name.find("/data/") == std::string::npos ? contents : contents.substr(0, 16));
  }
  return zip_file(records);
}

void add_reference(Seeds& seeds, const fs::path& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  const std::string bytes = read_bytes(path);
  StoredTensors tensors;
  std::string target;
  if (is_torch_zip(*file)) {
    target = "torch_zip";
    tensors = read_torch_zip(file);
    seeds.add_small(target, without_storages(*file));
  } else {
    const bool legacy = is_torch_legacy(*file);
    target = legacy ? "torch_legacy" : "safetensors";
    tensors = legacy ? read_torch_legacy(file) : index_safetensors(file).tensors;
    seeds.add_small(target, bytes.substr(0, small_size));
  }
  seeds.add_whole(target, bytes);
  // Its smallest tensors, so that the whole is small and sound.
  TensorMap smallest;
  for (const auto& [name, tensor] : tensors)
    if (tensor.numel() <= 64 && smallest.size() < 12) smallest.emplace(name, tensor.load().clone());
  if (!smallest.empty()) seeds.add_tensors(smallest);
}

void write_seeds(const fs::path& folder) {
  Seeds seeds(folder);
  seeds.add_tensors({{"a", at::ones({2, 3})}, {"b", at::zeros({4}, at::kHalf)}});
  TensorMap tensors = {
      {"empty", at::empty({0, 4})}, {"scalar", at::full({}, 2.5)}, {"bytes", at::arange(7, at::kByte)}};
  for (const at::ScalarType type : {at::kBFloat16, at::kDouble, at::kLong, at::kInt})
    tensors[c10::toString(type)] = at::arange(24).view({3, 4, 2}).to(type);
  seeds.add_tensors(tensors);
  seeds.add_pickle(mixture());

  const char* data = std::getenv("DIGFUSION_TEST_DATA");
  if (!data) {
    std::fprintf(stderr, "fuzz_seeds: DIGFUSION_TEST_DATA isn't set: no seeds from its reference/\n");
    return;
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(data) / "reference"))
    if (entry.path().extension() == ".pt" || entry.path().extension() == ".safetensors")
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) add_reference(seeds, file);
}

}  // namespace
}  // namespace digfusion

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "Usage: fuzz_seeds FOLDER\n");
    return 2;
  }
  try {
    digfusion::write_seeds(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fuzz_seeds: %s\n", error.what());
    return 1;
  }
}
