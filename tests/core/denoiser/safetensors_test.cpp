// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/safetensors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <limits>
#include <string>

#include "core/interface/error.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

namespace files = std::filesystem;

class Safetensors : public testing::Test {
 protected:
  const TemporaryFolder folder;
  const files::path path = folder.path / "model.safetensors";

  /// Message with which the file is refused; empty where it is read.
  std::string refusal() const {
    try {
      (void)read_safetensors(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::model);
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
      return error.what();
    }
    return "";
  }
  void expect_refused(const std::string& header, std::size_t data, const char* reason) const {
    write_header(path, header, data);
    const std::string message = refusal();
    EXPECT_NE(message.find(reason), std::string::npos) << header.substr(0, 300) << "\n"
                                                       << message.substr(0, 300);
  }
};

SafetensorsFile every_dtype() {
  SafetensorsFile file;
  const at::Tensor numbers = random_tensor({3, 5}, 1) * 50;
  for (const at::ScalarType type :
       {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble, at::kLong, at::kInt, at::kByte})
    file.tensors[std::string("tensor/") + c10::toString(type)] =
        type == at::kByte ? numbers.abs().to(type) : numbers.to(type);
  file.tensors["flags"] = numbers > 0;
  file.tensors["empty"] = at::empty({0, 4});
  file.tensors["scalar"] = at::full({}, 2.5);
  file.tensors["strided"] = numbers.t();
  file.metadata = {{"digfusion", "test"}, {"text", "µ \"quoted\"\n"}, {"", ""}};
  return file;
}

TEST_F(Safetensors, BringsBackEveryDtypeBitForBit) {
  const SafetensorsFile file = every_dtype();
  write_safetensors(path, file);
  const SafetensorsFile back = read_safetensors(path);
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (const auto& [name, tensor] : file.tensors) {
    const at::Tensor& read = back.tensors.at(name);
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(read, tensor)) << name;
  }
}

TEST_F(Safetensors, IsLaidOutAsTheFormatSays) {
  SafetensorsFile file;
  file.tensors["a"] = at::tensor({1.f, -2.f});
  write_safetensors(path, file);
  const std::string bytes = read_text(path);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  EXPECT_EQ(header % 8, 0u);  // tensors start aligned
  EXPECT_EQ(bytes.size(), 8 + header + 8);
  EXPECT_EQ(bytes[8], '{');
  const float expected[] = {1.f, -2.f};
  EXPECT_EQ(std::memcmp(bytes.data() + 8 + header, expected, 8), 0);
  EXPECT_FALSE(files::exists(path.string() + ".partial"));
}

TEST_F(Safetensors, ReadsWhatOthersWrite) {
  // Spaces, another order of keys, no metadata, bytes without alignment.
  write_header(
      path,
      R"( {"b":{"shape":[2],"data_offsets":[1,5],"dtype":"F16"},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})",
      5);
  // The format lets a header begin with '{' alone, but a reader needn't insist.
  const SafetensorsFile file = read_safetensors(path);
  EXPECT_TRUE(at::equal(file.tensors.at("b"), at::zeros({2}, at::kHalf)));
  EXPECT_EQ(file.tensors.at("a").dim(), 0);
}

TEST_F(Safetensors, RefusesEveryTruncation) {
  SafetensorsFile file;
  file.tensors["a"] = random_tensor({3}, 1);
  file.tensors["b"] = random_tensor({2, 2}, 1).to(at::kHalf);
  write_safetensors(path, file);
  const std::string whole = read_text(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_bytes(path, whole.substr(0, size));
    ASSERT_NE(refusal(), "") << "cut to " << size << " of " << whole.size() << " bytes";
  }
}

TEST_F(Safetensors, SurvivesEveryFlippedBitOfTheHeader) {
  SafetensorsFile file;
  file.tensors["a"] = random_tensor({3}, 1);
  file.tensors["b"] = random_tensor({2, 2}, 1).to(at::kHalf);
  file.metadata["key"] = "value";
  write_safetensors(path, file);
  const std::string whole = read_text(path);
  const std::size_t header = whole.size() - 20;
  int refused = 0;
  for (std::size_t bit = 0; bit < header * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = char(damaged[bit / 8] ^ (1 << bit % 8));
    write_bytes(path, damaged);
    if (!refusal().empty()) ++refused;
  }
  EXPECT_GT(refused, int(header) * 4);  // a name may change unseen
}

TEST_F(Safetensors, RefusesHeadersThatLie) {
  expect_refused("", 0, "not JSON");
  expect_refused("null", 0, "not JSON");
  expect_refused("[]", 0, "not JSON");
  expect_refused("{\"a\":[1,1,1,1]}", 0, "not JSON");  // an array could be longer than the file
  expect_refused("{\"a\":", 0, "not JSON");
  expect_refused("{\"\xff\":{}}", 0, "not JSON");
  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
  };
  expect_refused(entry("\"F32\"", "[2]", "[0,8]"), 7, "outside of the file");
  expect_refused(entry("\"F32\"", "[2]", "[0,8]"), 0, "outside of the file");
  expect_refused(entry("\"F32\"", "[2]", "[8,0]"), 8, "outside of the file");
  expect_refused(entry("\"F32\"", "[2]", "[18446744073709551608,18446744073709551615]"), 8,
                 "outside of the file");
  expect_refused(entry("\"F32\"", "[1000000000000]", "[0,4000000000000]"), 8, "outside of the file");
  expect_refused(entry("\"F32\"", "[3]", "[0,8]"), 8, "needs 12 bytes");
  expect_refused(entry("\"F32\"", "[4294967296,4294967296]", "[0,8]"), 8, "impossibly large");
  expect_refused(entry("\"F32\"", "[4611686018427387905]", "[0,4]"), 8,
                 "impossibly large");  // 2^62+1 times 4
  expect_refused(entry("\"F32\"", "[0,18446744073709551615]", "[0,0]"), 8, "impossibly large");
  expect_refused(entry("\"F32\"", "[0,4611686018427387904,4611686018427387904]", "[0,0]"), 8,
                 "impossibly large");
  expect_refused(entry("\"F32\"", "[-2]", "[0,8]"), 8, "malformed");
  expect_refused(entry("\"F32\"", "[2.0]", "[0,8]"), 8, "malformed");
  expect_refused(entry("\"F32\"", "[\"2\"]", "[0,8]"), 8, "malformed");
  expect_refused(entry("\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), 8, "8 dimensions");
  expect_refused(entry("\"F32\"", "2", "[0,8]"), 8, "malformed");
  expect_refused(entry("\"F32\"", "[2]", "[-8,0]"), 8, "malformed");
  expect_refused(entry("\"F32\"", "[2]", "[0,8,16]"), 8, "malformed");
  expect_refused(entry("\"F32\"", "[2]", "8"), 8, "malformed");
  expect_refused(entry("\"C64\"", "[1]", "[0,8]"), 8, "C64 is not supported");
  expect_refused(entry("7", "[1]", "[0,8]"), 8, "malformed");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "no dtype, shape and data_offsets");
  expect_refused("{\"a\":7}", 8, "no dtype, shape and data_offsets");
  expect_refused("{\"__metadata__\":7}", 8, "__metadata__");
  expect_refused("{\"__metadata__\":{\"a\":7}}", 8, "not text");
}

TEST_F(Safetensors, RefusesDeepNestingWithoutUsingUpTheStack) {
  const std::string open(1'000'000, '['), close(1'000'000, ']');
  for (const std::string& header :
       {open, open + close, "{\"a\":" + open + close + "}", "{\"__metadata__\":{\"a\":" + open + close + "}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":" + open + close + ",\"data_offsets\":[0,0]}}"}) {
    write_header(path, header);
    EXPECT_NE(refusal(), "");
  }
}

TEST_F(Safetensors, RefusesAHeaderLengthBeyondTheFile) {
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{1} << 20, std::uint64_t{1} << 40,
                                   std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &size, 8);
    write_bytes(path, bytes);
    EXPECT_NE(refusal().find("truncated"), std::string::npos) << size;
  }
}

TEST_F(Safetensors, AllocatesNoMoreThanTheFileHolds) {
  // A thousand tensors that all claim the same 4 MB: refused before any is made.
  std::string header = "{";
  for (int i = 0; i < 1000; ++i)
    header += (i ? ",\"t" : "\"t") + std::to_string(i) +
              R"(":{"dtype":"U8","shape":[4194304],"data_offsets":[0,4194304]})";
  write_header(path, header + "}", 4 << 20);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  const auto used = [] {
    long pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return std::uint64_t(pages) * std::uint64_t(sysconf(_SC_PAGESIZE));
  }();
  rlimit tight = before;
  tight.rlim_cur = used + (256 << 20);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  const std::string message = refusal();
  setrlimit(RLIMIT_AS, &before);
  EXPECT_NE(message.find("share bytes"), std::string::npos) << message;
}

TEST_F(Safetensors, RefusesNumbersThatAreNone) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), HUGE_VAL, -HUGE_VAL})
    for (const at::ScalarType type : {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
      SafetensorsFile file;
      file.tensors["fine"] = at::ones({4});
      file.tensors["bad"] = at::ones({4}, type);
      file.tensors["bad"][2] = bad;
      write_safetensors(path, file);
      EXPECT_NE(refusal().find("\"bad\" holds NaN or infinity"), std::string::npos);
    }
}

TEST_F(Safetensors, RefusesWhatIsNoFile) {
  EXPECT_NE(refusal().find("No such file"), std::string::npos);
  files::create_directory(path);
  EXPECT_NE(refusal().find("not a regular file"), std::string::npos);
  files::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);  // opened without O_NONBLOCK this would wait for ever
  EXPECT_NE(refusal().find("not a regular file"), std::string::npos);
  files::remove(path);
  write_bytes(path, "");
  EXPECT_NE(refusal().find("too short"), std::string::npos);
  write_bytes(path, "PK\3\4 some zip file with a pickle in it");
  EXPECT_NE(refusal().find("not a safetensors file"), std::string::npos);
}

TEST_F(Safetensors, AFullDiskLeavesTheOldFile) {
  SafetensorsFile file;
  file.tensors["a"] = random_tensor({1000}, 1);
  write_safetensors(path, file);
  const std::string before = read_text(path);
  // Where the new file is to be written there is no space left.
  files::create_symlink("/dev/full", path.string() + ".partial");
  file.tensors["a"] = random_tensor({1000}, 2);
  try {
    write_safetensors(path, file);
    ADD_FAILURE() << "written to a full disk";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos) << error.what();
  }
  EXPECT_EQ(read_text(path), before);
  EXPECT_FALSE(files::exists(files::symlink_status(path.string() + ".partial")));
}

TEST_F(Safetensors, AFolderThatIsntThereIsNamed) {
  try {
    write_safetensors(folder.path / "nowhere" / "model.safetensors", every_dtype());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("nowhere/model.safetensors: can't be created: No such file"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(Safetensors, RefusesToWriteWhatItCantHold) {
  SafetensorsFile file;
  file.tensors["a"] = at::zeros({2}, at::kComplexFloat);
  EXPECT_THROW(write_safetensors(path, file), Error);
  EXPECT_FALSE(files::exists(path));
}

}  // namespace
}  // namespace digfusion
