// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/model_file.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/denoiser/registry.h"
#include "core/interface/error.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

namespace files = std::filesystem;

std::string message_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::model);
    return error.what();
  }
  return "";
}

class ModelFiles : public testing::Test {
 protected:
  const TemporaryFolder folder;
  const files::path path = folder.path / "model.safetensors";

  /// Writes a model whose tensors and metadata `change` has damaged, and returns the message of reading it.
  std::string refusal(const ModelFile& model, const std::function<void(SafetensorsFile&)>& change) const {
    write_model_file(path, model);
    SafetensorsFile raw = read_safetensors(path);
    change(raw);
    write_safetensors(path, raw);
    return message_of([&] { (void)read_model_file(path); });
  }
};

void expect_has(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST_F(ModelFiles, BringBackWhatWasWritten) {
  for (ModelFile model : {tiny_denoiser(), tiny_student()}) {
    model.training = "{\"steps\":7}";
    write_model_file(path, model);
    const ModelFile back = read_model_file(path, model.kind);
    EXPECT_EQ(back.kind, model.kind);
    EXPECT_EQ(back.config, model.config);
    EXPECT_EQ(back.timesteps, model.timesteps);
    EXPECT_EQ(back.training, model.training);
    ASSERT_EQ(back.weights.size(), model.weights.size());
    for (const auto& [name, w] : model.weights)
      EXPECT_TRUE(at::equal(back.weights.at(name), w.to(at::kHalf))) << name;
  }
}

TEST_F(ModelFiles, OfTheOtherKindAreRefusedByName) {
  write_model_file(path, tiny_student());
  expect_has(message_of([&] { (void)read_model_file(path, ModelKind::denoiser); }),
             path.string() + ": it holds a student, but a denoiser is needed here");
  write_model_file(path, tiny_denoiser());
  expect_has(message_of([&] { (void)open_student(path, at::kCPU, at::kFloat); }),
             "it holds a denoiser, but a student is needed here");
}

TEST_F(ModelFiles, OfOthersAreRefused) {
  expect_has(refusal(tiny_denoiser(), [](SafetensorsFile& f) { f.metadata.clear(); }),
             "wasn't made by digfusion");
  expect_has(refusal(tiny_denoiser(), [](SafetensorsFile& f) { f.metadata.erase("network"); }),
             "\"network\"");
  expect_has(refusal(tiny_denoiser(), [](SafetensorsFile& f) { f.metadata["digfusion"] = "teapot"; }),
             "\"teapot\"");
  expect_has(refusal(tiny_student(), [](SafetensorsFile& f) { f.metadata.erase("timesteps"); }),
             "\"timesteps\"");
  expect_has(refusal(tiny_student(), [](SafetensorsFile& f) { f.metadata["timesteps"] = "15,300"; }),
             "timesteps");
  expect_has(refusal(tiny_student(), [](SafetensorsFile& f) { f.metadata["timesteps"] = "300"; }),
             "output channels");
  expect_has(refusal(tiny_denoiser(),
                     [](SafetensorsFile& f) {
                       f.metadata["digfusion"] = "student", f.metadata["timesteps"] = "9,8";
                     }),
             "output channels");
}

TEST_F(ModelFiles, NameTheTensorThatIsWrong) {
  expect_has(refusal(tiny_denoiser(), [](SafetensorsFile& f) { f.tensors.erase("middle1.0.film.bias"); }),
             "tensor \"middle1.0.film.bias\" is missing");
  expect_has(refusal(tiny_denoiser(), [](SafetensorsFile& f) { f.tensors["tail.bias"] = at::zeros({5}); }),
             "tensor \"tail.bias\" has shape [5], expected [4]");
  expect_has(refusal(tiny_denoiser(),
                     [](SafetensorsFile& f) { f.tensors["tail.bias"] = at::zeros({4}, at::kLong); }),
             "tensor \"tail.bias\" doesn't hold floating-point numbers");
  expect_has(refusal(tiny_denoiser(), [](SafetensorsFile& f) { f.tensors["extra"] = at::zeros({4}); }),
             "\"extra\" belongs to another");
}

TEST_F(ModelFiles, AreCheckedBeforeAnythingOfTheirClaimedSizeIsMade) {
  // 4096 channels at six scales would be 40 GB of weights.
  const std::string message = refusal(tiny_denoiser(), [](SafetensorsFile& f) {
    f.metadata["network"] =
        R"({"unshuffle":2,"widths":[4096,4096,4096,4096,4096,4096],"blocks":64,"middle_blocks":64,"outputs":4,"embedding":4096})";
  });
  expect_has(message, "tensor \"embedding.weight\" has shape");
  expect_has(refusal(tiny_denoiser(), [](SafetensorsFile& f) { f.metadata["network"] = "{}"; }),
             "description");
}

class Registry : public ModelFiles {
 protected:
  ~Registry() override { unsetenv("DIGFUSION_WEIGHTS"); }
};

TEST_F(Registry, SharesOneCopyForEachFileDeviceAndPrecision) {
  write_model_file(path, tiny_denoiser());
  const auto first = open_denoiser(path, at::kCPU, at::kFloat);
  EXPECT_EQ(open_denoiser(path, at::kCPU, at::kFloat), first);
  EXPECT_EQ(open_denoiser(folder.path / "." / "model.safetensors", at::kCPU, at::kFloat), first);
  files::create_symlink(path, folder.path / "link");
  EXPECT_EQ(open_denoiser(folder.path / "link", at::kCPU, at::kFloat), first);
  EXPECT_NE(open_denoiser(path, at::kCPU, at::kBFloat16), first);
  files::copy_file(path, folder.path / "other");
  EXPECT_NE(open_denoiser(folder.path / "other", at::kCPU, at::kFloat), first);
}

TEST_F(Registry, LetsGoOfModelsThatNobodyUses) {
  write_model_file(path, tiny_denoiser());
  const std::weak_ptr<const Denoiser> gone = open_denoiser(path, at::kCPU, at::kFloat);
  EXPECT_TRUE(gone.expired());
}

TEST_F(Registry, ReadsAFileThatHasChanged) {
  write_model_file(path, tiny_denoiser(1));
  const auto first = open_denoiser(path, at::kCPU, at::kFloat);
  write_model_file(path, tiny_denoiser(2));
  files::last_write_time(path, files::last_write_time(path) + std::chrono::seconds(2));
  EXPECT_NE(open_denoiser(path, at::kCPU, at::kFloat), first);
}

TEST_F(Registry, GivesOneCopyToStreamsThatStartTogether) {
  write_model_file(path, tiny_student());
  std::vector<std::shared_ptr<const Student>> models(8);
  std::vector<std::thread> threads;
  for (auto& model : models) threads.emplace_back([&] { model = open_student(path, at::kCPU, at::kFloat); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& model : models) EXPECT_EQ(model, models[0]);
}

TEST_F(Registry, ARefusedFileCanBeReplaced) {
  write_bytes(path, "nonsense, and too short");
  EXPECT_NE(message_of([&] { (void)open_denoiser(path, at::kCPU, at::kFloat); }), "");
  write_model_file(path, tiny_denoiser());
  EXPECT_NE(open_denoiser(path, at::kCPU, at::kFloat), nullptr);
}

TEST_F(Registry, NamesAFileThatIsntThere) {
  const std::string message = message_of([&] { (void)open_student(path, at::kCPU, at::kFloat); });
  expect_has(message, path);
  expect_has(message, "No such file");
}

TEST_F(Registry, FindsTheEmbeddedModels) {
  EXPECT_TRUE(files::exists(embedded_model("denoiser")));
  EXPECT_TRUE(files::exists(embedded_model("student")));
  const auto denoiser = open_denoiser("", at::kCPU, at::kFloat);
  EXPECT_EQ(denoiser->multiple(), 8);
  EXPECT_EQ(open_denoiser(embedded_model("denoiser"), at::kCPU, at::kFloat), denoiser);
  const auto student = open_student("", at::kCPU, at::kFloat);
  EXPECT_EQ(student->timesteps(), (std::vector<int>{500, 200, 60, 15}));
  setenv("DIGFUSION_WEIGHTS", "", 1);  // empty is as good as not set
  EXPECT_EQ(open_denoiser("", at::kCPU, at::kFloat), denoiser);
}

TEST_F(Registry, PrefersTheFolderOfTheEnvironment) {
  setenv("DIGFUSION_WEIGHTS", folder.path.c_str(), 1);
  write_model_file(folder.path / "denoiser.safetensors", tiny_denoiser());
  EXPECT_EQ(embedded_model("denoiser"), folder.path / "denoiser.safetensors");
  EXPECT_EQ(open_denoiser("", at::kCPU, at::kFloat)->multiple(), 4);
  EXPECT_TRUE(files::exists(embedded_model("student")));  // not there, so the usual one
}

TEST_F(Registry, SaysWhereItLooked) {
  setenv("DIGFUSION_WEIGHTS", folder.path.c_str(), 1);
  const std::string message = message_of([] { (void)embedded_model("nothing"); });
  expect_has(message, folder.path / "nothing.safetensors");
  expect_has(message, "share/digfusion/nothing.safetensors");
  expect_has(message, "DIGFUSION_WEIGHTS");
}

}  // namespace
}  // namespace digfusion
