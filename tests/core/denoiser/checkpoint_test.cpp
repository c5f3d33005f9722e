// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/checkpoint.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <limits>
#include <random>
#include <string>

#include "core/denoiser/safetensors.h"
#include "core/interface/error.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/denoiser/torch_writer.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

class Checkpoints : public testing::Test {
 protected:
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path / "model.pt";

  Checkpoint read(const std::string& bytes) const {
    write_bytes(path, bytes);
    return read_checkpoint(path);
  }
  /// Message with which these bytes are refused; empty where they are read. What is read is used, too.
  std::string refusal(const std::string& bytes) const {
    try {
      for (const auto& [name, tensor] : read(bytes).tensors) (void)tensor.load().sum();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::model);
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
      return error.what();
    }
    return "";
  }
  void expect_refused(const std::string& bytes, const std::string& reason) const {
    const std::string message = refusal(bytes);
    EXPECT_NE(message.find(reason), std::string::npos) << "\"" << message << "\" lacks \"" << reason << "\"";
  }
  /// Both formats of a state dict made by `pickle`, with one storage "0" of 12 floats.
  void expect_both_refused(const PickleWriter& pickle, const std::string& reason) const {
    const Saved file{pickle.finished(), {{"0", at::arange(12, at::kFloat)}}};
    expect_refused(torch_zip(file), reason);
    expect_refused(torch_legacy(file), reason);
  }
};

TensorMap some_tensors() {
  TensorMap tensors;
  const at::Tensor numbers = random_tensor({3, 4, 2}, 1) * 20;
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble, at::kLong, at::kInt})
    tensors[std::string("of.") + c10::toString(type)] = numbers.to(type);
  tensors["empty"] = at::empty({0, 4});
  tensors["scalar"] = at::full({}, 2.5);
  tensors["bytes"] = at::arange(7, at::kByte);  // what follows in the legacy format isn't aligned
  tensors["matrix"] = random_tensor({5, 3}, 2);
  return tensors;
}

void expect_same(const StoredTensors& stored, const TensorMap& expected) {
  ASSERT_EQ(stored.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    const at::Tensor read = stored.at(name).load();
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(read, tensor)) << name;
  }
}

TEST_F(Checkpoints, OfEveryFormatGiveTheSameTensors) {
  const TensorMap tensors = some_tensors();
  const Checkpoint zip = read(torch_zip(saved(tensors)));
  EXPECT_EQ(zip.format, CheckpointFormat::torch_zip);
  expect_same(zip.tensors, tensors);
  const Checkpoint legacy = read(torch_legacy(saved(tensors)));
  EXPECT_EQ(legacy.format, CheckpointFormat::torch_legacy);
  expect_same(legacy.tensors, tensors);
  std::filesystem::remove(path);
  write_safetensors(path, {tensors, {{"key", "value"}}});
  const Checkpoint safe = read_checkpoint(path);
  EXPECT_EQ(safe.format, CheckpointFormat::safetensors);
  expect_same(safe.tensors, tensors);
  EXPECT_EQ(safe.metadata.at("key"), "value");
}

TEST_F(Checkpoints, TensorsOutliveTheirFile) {
  const TensorMap tensors = some_tensors();
  at::Tensor matrix;
  {
    const Checkpoint checkpoint = read(torch_zip(saved(tensors)));
    matrix = checkpoint.tensors.at("matrix").load();
  }
  std::filesystem::remove(path);
  EXPECT_TRUE(at::equal(matrix, tensors.at("matrix")));
  matrix.zero_();  // and are as good as any
  EXPECT_EQ(matrix.sum().item<float>(), 0);
}

TEST_F(Checkpoints, ViewsOfSharedStoragesAreTheirNumbers) {
  PickleWriter pickle;
  pickle.raw("}(");
  pickle.text("rows").tensor("FloatStorage", "0", 12, 0, {3, 4}, {4, 1});
  pickle.text("columns").tensor("FloatStorage", "0", 12, 0, {4, 3}, {1, 4});
  pickle.text("part").tensor("FloatStorage", "0", 12, 5, {2}, {3});
  pickle.raw("u");
  const at::Tensor numbers = at::arange(12, at::kFloat);
  const Saved file{pickle.finished(), {{"0", numbers}}};
  for (const std::string& bytes : {torch_zip(file), torch_legacy(file)}) {
    const StoredTensors tensors = read(bytes).tensors;
    EXPECT_TRUE(at::equal(tensors.at("rows").load(), numbers.view({3, 4})));
    EXPECT_TRUE(at::equal(tensors.at("columns").load(), numbers.view({3, 4}).t()));
    EXPECT_TRUE(at::equal(tensors.at("part").load(), at::tensor({5.f, 8.f})));
  }
}

TEST_F(Checkpoints, StateDictsAreFoundUnderTheirUsualNames) {
  const auto nested = [](const std::vector<std::pair<std::string, float>>& dicts) {
    PickleWriter pickle;
    pickle.raw("}(").text("epoch").integer(7);
    Saved file;
    for (const auto& [key, value] : dicts) {
      pickle.text(key).raw("}(").text("module.weight").tensor("FloatStorage", key, 2, 0, {2}, {1}).raw("u");
      file.storages.push_back({key, at::full({2}, value)});
    }
    pickle.raw("u");
    file.pickle = pickle.finished();
    return torch_zip(file);
  };
  EXPECT_EQ(read(nested({{"state_dict", 1.f}})).tensors.at("weight").load()[0].item<float>(), 1);
  EXPECT_EQ(read(nested({{"model", 2.f}, {"ema", 3.f}})).tensors.at("weight").load()[0].item<float>(), 3);
  expect_refused(nested({{"something", 4.f}}), "holds no dict of tensors by name");
}

TEST_F(Checkpoints, AnythingButTensorsAndNumbersIsRefusedByName) {
  const auto holding = [](const std::string& module, const std::string& name) {
    PickleWriter pickle;
    pickle.raw("}(").text("x").global(module, name).raw(")Ru");
    return pickle;
  };
  expect_both_refused(holding("os", "system"), "it holds \"os.system\", which isn't a tensor");
  expect_both_refused(holding("numpy.core.multiarray", "scalar"), "\"numpy.core.multiarray.scalar\"");
  expect_both_refused(holding("argparse", "Namespace"), "\"argparse.Namespace\"");
  expect_both_refused(holding("torch._utils", "_rebuild_parameter_with_state"),
                      "_rebuild_parameter_with_state");
  expect_both_refused(holding("torch", "FloatStorage"), "torch.FloatStorage");
  // By the newer operation, too.
  PickleWriter stacked;
  stacked.raw("}(").text("x").text("builtins").text("eval").raw("\x93)Ru");
  expect_both_refused(stacked, "\"builtins.eval\"");
  PickleWriter instance;
  instance.raw("(ios\nsystem\n");
  expect_both_refused(instance, "operation 0x69");
}

TEST_F(Checkpoints, TensorsThatDontFitTheirStorageAreRefused) {
  constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  const auto with = [](std::int64_t count, std::int64_t offset, const Shape& sizes, const Shape& strides) {
    PickleWriter pickle;
    pickle.raw("}(").text("x").tensor("FloatStorage", "0", count, offset, sizes, strides).raw("u");
    return pickle;
  };
  for (const PickleWriter& pickle :
       {with(12, 0, {13}, {1}), with(12, 1, {12}, {1}), with(12, 13, {1}, {1}), with(12, -1, {1}, {1}),
        with(12, 0, {-1}, {1}), with(12, 0, {2, 2}, {1, -1}), with(12, 0, {4, 4}, {1, 1}),
        with(12, 0, {100, 100}, {0, 0}), with(12, 0, {2, 2}, {huge, huge}), with(12, 0, {huge, huge}, {0, 0}),
        with(12, 0, {2}, {1, 1}), with(12, huge, {2}, {1}), with(12, 0, {0, huge, huge}, {1, 1, 1})})
    expect_both_refused(pickle, "doesn't fit its storage");
  // Storages that claim more than the file has.
  for (const std::int64_t count : {std::int64_t{13}, std::int64_t{1} << 40, huge}) {
    const Saved file{with(count, 0, {2}, {1}).finished(), {{"0", at::arange(12, at::kFloat)}}};
    EXPECT_NE(refusal(torch_zip(file)), "") << count;
    EXPECT_NE(refusal(torch_legacy(file)), "") << count;
  }
  expect_both_refused(with(-1, 0, {2}, {1}), "storage");
  PickleWriter deep;
  deep.raw("}(").text("x").tensor("FloatStorage", "0", 12, 0, Shape(9, 1), Shape(9, 1)).raw("u");
  expect_both_refused(deep, "more than 8 dimensions");
}

TEST_F(Checkpoints, ManyTensorsOverOneStorageAreRefused) {
  PickleWriter pickle;
  pickle.raw("}(");
  for (int i = 0; i < 50; ++i)
    pickle.text("x" + std::to_string(i)).tensor("FloatStorage", "0", 100000, 0, {100000}, {1});
  pickle.raw("u");
  expect_refused(torch_zip({pickle.finished(), {{"0", at::zeros({100000})}}}), "share storages");
}

TEST_F(Checkpoints, NumbersThatAreNoneAreRefused) {
  TensorMap tensors = some_tensors();
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble})
    for (const double bad : {std::numeric_limits<double>::quiet_NaN(), HUGE_VAL, -HUGE_VAL}) {
      tensors["bad"] = at::ones({5000}, type);
      tensors["bad"][4999] = bad;
      expect_refused(torch_zip(saved(tensors)), "\"bad\" holds NaN or infinity");
      expect_refused(torch_legacy(saved(tensors)), "\"bad\" holds NaN or infinity");
    }
}

TEST_F(Checkpoints, OfOtherMachinesAndKindsAreRefused) {
  expect_refused(torch_zip(saved(some_tensors()), "big"), "little-endian");
  expect_refused(zip_file({{"weights.npy", "numbers"}}), "without a data.pkl");
  expect_refused(std::string(257, '\0') + "ustar" + std::string(250, '\0'), "is a tar file");
  expect_refused("", "is empty");
  expect_refused("PK\3\4 and no more", "no end record");
  std::string compressed = torch_zip(saved(some_tensors()));
  compressed[compressed.find("PK\1\2") + 10] = 8;
  expect_refused(compressed, "is compressed");
  std::string encrypted = torch_zip(saved(some_tensors()));
  encrypted[encrypted.find("PK\1\2") + 8] = 1;
  expect_refused(encrypted, "is encrypted");
}

TEST_F(Checkpoints, EndlessPicklesAreRefused) {
  const std::string million(1'000'000, '(');
  for (const std::string& operations :
       {million, std::string(1'000'000, ')'), "]" + std::string(1'000'000, '\x85'),
        "]q" + std::string(1, '\0') + million, std::string(1'000'000, ']') + std::string(999'999, 'a')})
    EXPECT_NE(refusal(torch_zip({PickleWriter().raw(operations).finished(), {}})), "");
}

TEST_F(Checkpoints, AListThatIsCopiedAgainAndAgainIsRefused) {
  // 78 kB that would need gigabytes: a long list of pairs, and thousands of dicts made of it.
  std::string pairs, dicts;
  for (int i = 0; i < 15'000; ++i) pairs += "h\1";
  for (int i = 0; i < 8'000; ++i) dicts += std::string("h\2h\0\x85R", 6);
  PickleWriter pickle;
  pickle.raw(std::string("]q\0(K\1K\2\x86q\1", 11) + pairs + "e0");
  pickle.global("collections", "OrderedDict")
      .raw(
          "q\2"
          "0(" +
          dicts + "l");
  const Saved file{pickle.finished(), {}};
  expect_refused(torch_zip(file), "impossibly long");
  expect_refused(torch_legacy(file), "impossibly long");
}

TEST_F(Checkpoints, EndlessNamesAreRefused) {
  // Thousands of tensors that share one name would be compared by it.
  PickleWriter tensor, storage;
  tensor.raw("}(").text(std::string(2000, 'x')).tensor("FloatStorage", "0", 12, 0, {2}, {1}).raw("u");
  expect_both_refused(tensor, "a tensor's name has 2000 characters");
  storage.raw("}(").text("x").tensor("FloatStorage", std::string(2000, '0'), 12, 0, {2}, {1}).raw("u");
  expect_both_refused(storage, "storage in an unknown way");
}

TEST_F(Checkpoints, AreRefusedOnOneShortLine) {
  TensorMap tensors = {{"many\nlines" + std::string(900, 'x'), at::full({1}, HUGE_VAL)}};
  const std::string message = refusal(torch_zip(saved(tensors)));
  EXPECT_NE(message.find("\"many?linesxxx"), std::string::npos) << message;
  EXPECT_LT(message.size(), path.string().size() + 600);
}

TEST_F(Checkpoints, AListThatHoldsItselfIsNoTrouble) {
  PickleWriter pickle;
  pickle.raw("}(").text("x").raw("]q\1h\1au");
  expect_refused(torch_zip({pickle.finished(), {}}), "holds no dict of tensors");
}

TensorMap small_tensors() {
  return {{"a", random_tensor({2, 3}, 1)}, {"b", random_tensor({4}, 2).to(at::kHalf)}};
}

TEST_F(Checkpoints, EveryTruncationIsRefused) {
  for (const std::string& whole : {torch_zip(saved(small_tensors())), torch_legacy(saved(small_tensors()))})
    for (std::size_t size = 0; size < whole.size(); ++size)
      ASSERT_NE(refusal(whole.substr(0, size)), "")
          << "cut to " << size << " of " << whole.size() << " bytes";
}

TEST_F(Checkpoints, SurviveFlippedBits) {
  std::mt19937 random(1);
  for (const std::string& whole : {torch_zip(saved(small_tensors())), torch_legacy(saved(small_tensors()))}) {
    int refused = 0;
    for (int i = 0; i < 4000; ++i) {
      std::string damaged = whole;
      for (int flips = 0; flips <= i % 3; ++flips) {
        const std::size_t bit = random() % (whole.size() * 8);
        damaged[bit / 8] = char(damaged[bit / 8] ^ (1 << bit % 8));
      }
      if (!refusal(damaged).empty()) ++refused;
    }
    EXPECT_GT(refused, 400);  // padding, stamps and numbers may change unseen
  }
}

}  // namespace
}  // namespace digfusion
