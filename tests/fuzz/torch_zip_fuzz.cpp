// SPDX-License-Identifier: LGPL-2.1-or-later
//
// PyTorch's zip files. Half of the mutations are of one record's contents, in an archive that is whole: what
// changes a pickle's length would else leave a directory that points nowhere, and the pickle would never be
// read.
#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/denoiser/torch_file.h"
#include "core/denoiser/zip_index.h"
#include "core/interface/error.h"
#include "tests/core/denoiser/torch_writer.h"
#include "tests/fuzz/reader.h"

using namespace digfusion;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using Records = std::vector<std::pair<std::string, std::string>>;

/// Empty where the bytes aren't a zip file, or one with more than the writer could hold.
Records records_of(std::span<const std::uint8_t> bytes) {
  Records records;
  try {
    const auto file = file_of(bytes);
    std::size_t total = 0;
    for (const auto& [name, record] : zip_index(*file)) {
      total += record.size + name.size();
      if (total > bytes.size()) return {};  // records that overlap
      const auto contents = file->bytes(record.position, record.size);
      records.emplace_back(name,
                           std::string(reinterpret_cast<const char*>(contents.data()), contents.size()));
    }
  } catch (const Error&) {
    return {};
  }
  return records;
}

/// The record to change: the pickle, every other time, else any.
std::string& choose(Records& records, std::mt19937& random) {
  const auto pickle = std::find_if(records.begin(), records.end(),
                                   [](const auto& record) { return record.first.ends_with("data.pkl"); });
  return pickle != records.end() && random() % 2 ? pickle->second : records[random() % records.size()].second;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  std::mt19937 random(seed);
  if (Records records; size > 0 && random() % 2 && !(records = records_of({data, size})).empty()) {
    std::string& contents = choose(records, random);
    const std::size_t length = contents.size();
    contents.resize(length + std::min<std::size_t>(max_size - size, 1024));
    if (!contents.empty()) {
      contents.resize(
          LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(contents.data()), length, contents.size()));
      const std::string file = zip_file(records);
      if (file.size() <= max_size) {
        std::copy(file.begin(), file.end(), data);
        return file.size();
      }
    }
  }
  return LLVMFuzzerMutate(data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_input({data, size}, read_torch_zip);
  return 0;
}
