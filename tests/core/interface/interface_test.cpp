// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/interface/interface.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/denoiser/model_files.h"
#include "tests/core/image/test_image.h"
#include "tests/core/metrics/temporary_folder.h"

namespace digfusion {
namespace {

std::unique_ptr<StreamFuser> make_fuser() {
  Status status;
  std::unique_ptr<StreamFuser> fuser(digfusion_create(abi_version, sizeof(Parameters), &status));
  EXPECT_TRUE(status.ok()) << status.message;
  EXPECT_NE(fuser, nullptr);
  return fuser;
}

/// A fuser with tiny models, which a test can evaluate in a millisecond.
class Interface : public testing::Test {
 protected:
  Interface() {
    write_model_file(folder.path / "denoiser", tiny_denoiser());
    write_model_file(folder.path / "student", tiny_student());
    write_model_file(folder.path / "gradient-student", tiny_gradient_student());
    parameters.model = Path((folder.path / "denoiser").string());
    parameters.student = Path((folder.path / "gradient-student").string());
    parameters.device = Word("cpu");
    parameters.precision = Precision::float32;
    parameters.threads = 1;
    visible.fill(1);
    infrared.fill(2);
  }

  Status fuse(StreamFuser& fuser, std::size_t count = 2) {
    std::vector<Image> sources(count, infrared.image);
    sources[0] = visible.image;
    return fuser.fuse(sources.data(), count, output.image);
  }
  void expect_failure(const Status& status, ErrorCode code, const std::string& part) {
    EXPECT_EQ(status.code, code) << status.message;
    EXPECT_NE(std::string(status.message).find(part), std::string::npos)
        << status.message << "\nexpected: " << part;
  }

  const TemporaryFolder folder;
  Parameters parameters;
  TestImage visible{layout_named("I420"), 48, 32}, infrared{layout_named("GRAY8"), 48, 32},
      output{layout_named("I420"), 48, 32};
  std::unique_ptr<StreamFuser> fuser = make_fuser();
};

TEST_F(Interface, PicturesInCudaMemoryNeedAGpu) {
  if (at::globalContext().hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0)
    GTEST_SKIP() << "this machine has a GPU; digfusion selftest --device cuda checks it";
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  for (Image* image : {&visible.image, &infrared.image, &output.image}) {
    image->memory = Memory::cuda;
    expect_failure(fuse(*fuser), ErrorCode::invalid_argument, "CUDA memory");
    image->memory = Memory::host;
  }
  EXPECT_TRUE(fuse(*fuser).ok());
}

TEST_F(Interface, FusesAFrameInTwoHalves) {
  const Image sources[] = {visible.image, infrared.image};
  expect_failure(fuser->begin(sources, 2, output.image), ErrorCode::internal, "load()");
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  ASSERT_TRUE(fuse(*fuser).ok());
  const auto expected = output.bytes();
  fuser->reset();
  EXPECT_EQ(fuser->frames_in_flight(), 1) << "the CPU's";

  output.fill(9);
  ASSERT_TRUE(fuser->begin(sources, 2, output.image).ok());
  // A frame that is begun is in the way of others, and stays.
  for (const Status& status : {fuser->begin(sources, 2, output.image), fuser->configure(parameters),
                               fuser->warm_up(32, 32), fuse(*fuser)})
    EXPECT_EQ(status.code, ErrorCode::invalid_argument) << status.message;
  ASSERT_TRUE(fuser->finish().ok());
  EXPECT_EQ(output.bytes(), expected);
  EXPECT_EQ(fuser->statistics().frames, 2u);
  expect_failure(fuser->finish(), ErrorCode::invalid_argument, "no frame is begun");

  // One that fails in begin() isn't finished; load() drops one that is begun.
  EXPECT_FALSE(fuser->begin(sources, 1, output.image).ok());
  EXPECT_FALSE(fuser->finish().ok());
  ASSERT_TRUE(fuser->begin(sources, 2, output.image).ok());
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  expect_failure(fuser->finish(), ErrorCode::invalid_argument, "no frame is begun");
}

TEST_F(Interface, RefusesAnotherVersion) {
  EXPECT_EQ(digfusion_abi_version(), abi_version);
  Status status;
  EXPECT_EQ(digfusion_create(abi_version + 1, sizeof(Parameters), &status), nullptr);
  expect_failure(status, ErrorCode::invalid_argument, "install both from one build");
  EXPECT_EQ(digfusion_create(abi_version, sizeof(Parameters) - 8, &status), nullptr);
  expect_failure(status, ErrorCode::invalid_argument, "different versions");
  EXPECT_EQ(digfusion_create(abi_version + 1, sizeof(Parameters), nullptr), nullptr);
}

TEST_F(Interface, FusesWithEveryMethod) {
  for (const Method method : {Method::guided, Method::bandwise, Method::amortised, Method::gradient}) {
    SCOPED_TRACE(name_of("method", int(method)));
    parameters.method = method;
    parameters.student =
        Path((folder.path / (method == Method::amortised ? "student" : "gradient-student")).string());
    parameters.steps = 4;
    ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
    ASSERT_TRUE(fuser->warm_up(48, 32).ok());
    const Status status = fuse(*fuser);
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(std::string(status.message), "");
    const std::vector<std::uint8_t> first = output.bytes();
    EXPECT_NE(first, visible.bytes());
    for (int c : {1, 2})
      for (int y = 0; y < 16; ++y)
        for (int x = 0; x < 24; ++x) ASSERT_EQ(output.get(c, x, y), visible.get(c, x, y));
    fuser->reset();
    ASSERT_TRUE(fuse(*fuser).ok());
    EXPECT_EQ(output.bytes(), first);  // a function of pictures, parameters and seed
  }
}

TEST_F(Interface, NothingWorksBeforeLoad) {
  for (const Status& status : {fuse(*fuser), fuser->configure(parameters), fuser->warm_up(48, 32)})
    expect_failure(status, ErrorCode::internal, "load()");
  fuser->reset();
  EXPECT_EQ(fuser->statistics().frames, 0u);
}

TEST_F(Interface, TakesTwoToEightPictures) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  for (const std::size_t count : {2, 3, 8}) EXPECT_TRUE(fuse(*fuser, count).ok()) << count;
  EXPECT_EQ(fuser->statistics().evaluations, 8u);
  for (const std::size_t count : {1, 9})
    expect_failure(fuse(*fuser, count), ErrorCode::invalid_argument,
                   "2 to 8 pictures, not " + std::to_string(count));
  expect_failure(fuser->fuse(nullptr, 0, output.image), ErrorCode::invalid_argument, "2 to 8 pictures");
}

TEST_F(Interface, RefusesAnotherLayoutForTheOutput) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  const Image sources[] = {visible.image, infrared.image};
  for (const char* other : {"NV12", "Y444", "Y42B", "YV12", "GRAY8", "RGB"}) {
    TestImage wrong(layout_named(other), 48, 32);
    expect_failure(fuser->fuse(sources, 2, wrong.image), ErrorCode::invalid_argument, "layout");
  }
  TestImage larger(layout_named("I420"), 64, 32);
  expect_failure(fuser->fuse(sources, 2, larger.image), ErrorCode::invalid_argument, "layout");
  Image broken = output.image;
  broken.plane[1].data = nullptr;
  expect_failure(fuser->fuse(sources, 2, broken), ErrorCode::invalid_argument, "output picture: plane 1");
}

TEST_F(Interface, TellsWhatRefinementFinds) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  ASSERT_TRUE(fuse(*fuser).ok());
  EXPECT_TRUE(std::isnan(fuser->report().refined_x));
  for (const char* mode : {"translation", "affine"}) {
    ASSERT_FALSE(set(parameters, "registration-refine", mode));
    ASSERT_TRUE(fuser->configure(parameters).ok());
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(fuse(*fuser, 3).ok());
    const FrameReport report = fuser->report();
    EXPECT_TRUE(std::isfinite(report.refined_x) && std::isfinite(report.refined_y));
    EXPECT_GE(report.confidence, 0);
    EXPECT_LE(report.confidence, 1);
  }
}

TEST_F(Interface, NamesThePictureThatIsWrong) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  infrared.image.plane[0].rows = 3;
  expect_failure(fuse(*fuser), ErrorCode::invalid_argument, "infrared picture: plane 0");
  visible.image.plane[2].row_bytes = 3;
  expect_failure(fuse(*fuser), ErrorCode::invalid_argument, "visible picture: plane 2");
}

TEST_F(Interface, TakesAnInfraredPictureOfAnotherSizeAndDepth) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  TestImage thermal(layout_named("GRAY16_LE"), 20, 16);
  thermal.fill(3);
  for (const char* fit : {"contain", "cover", "stretch"}) {
    ASSERT_FALSE(set(parameters, "infrared-fit", fit));
    ASSERT_TRUE(fuser->configure(parameters).ok());
    const Image sources[] = {visible.image, thermal.image};
    const Status status = fuser->fuse(sources, 2, output.image);
    EXPECT_TRUE(status.ok()) << status.message;
  }
  ASSERT_FALSE(set(parameters, "infrared-fit", "cover"));
  ASSERT_TRUE(fuser->configure(parameters).ok());
  TestImage tower(layout_named("GRAY8"), 16, 2160);
  const Image sources[] = {visible.image, tower.image};
  expect_failure(fuser->fuse(sources, 2, output.image), ErrorCode::invalid_argument, "infrared-fit=cover");
}

TEST_F(Interface, RegistersTheInfraredPicture) {
  ASSERT_FALSE(set(parameters, "steadiness", "0"));
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  ASSERT_TRUE(fuse(*fuser).ok());
  const std::vector<std::uint8_t> plain = output.bytes();
  const auto fused_by = [&](const char* registration) {
    EXPECT_FALSE(set(parameters, "registration", registration));
    EXPECT_TRUE(fuser->configure(parameters).ok());
    fuser->reset();
    EXPECT_TRUE(fuse(*fuser).ok());
    return output.bytes();
  };
  EXPECT_EQ(fused_by("1,0,0,0,1,0"), plain);
  const std::vector<std::uint8_t> moved = fused_by("1,0,3,0,1,2");
  EXPECT_NE(moved, plain);
  ASSERT_FALSE(set(parameters, "registration", "missing.json"));
  expect_failure(fuser->configure(parameters), ErrorCode::invalid_argument,
                 "\"missing.json\": can't be read");
  fuser->reset();
  ASSERT_TRUE(fuse(*fuser).ok());
  EXPECT_EQ(output.bytes(), moved);  // the former one stays
  expect_failure(make_fuser()->load(parameters, nullptr, nullptr), ErrorCode::invalid_argument,
                 "missing.json");
  EXPECT_EQ(fused_by(""), plain);
}

TEST_F(Interface, AMissingModelIsAnError) {
  parameters.student = Path((folder.path / "missing.safetensors").string());
  expect_failure(fuser->load(parameters, nullptr, nullptr), ErrorCode::model, "missing.safetensors");
  parameters.student = parameters.model;
  expect_failure(fuser->load(parameters, nullptr, nullptr), ErrorCode::model,
                 "a gradient-student is needed here");
  expect_failure(fuse(*fuser), ErrorCode::internal, "load()");
}

TEST_F(Interface, ALongMessageIsCutBetweenCharacters) {
  std::string name;
  while (name.size() < 3000) name += "ö/";
  parameters.student = Path(name);
  const Status status = fuser->load(parameters, nullptr, nullptr);
  EXPECT_EQ(status.code, ErrorCode::model);
  const std::string message = status.message;
  EXPECT_GE(message.size(), sizeof status.message - 4);
  EXPECT_TRUE(message.ends_with("ö") || message.ends_with("/")) << message.substr(message.size() - 4);
}

TEST_F(Interface, ADeviceThatIsntThereIsAnError) {
  parameters.device = Word("cuda:63");
  expect_failure(fuser->load(parameters, nullptr, nullptr), ErrorCode::device, "device cuda:63 isn't there");
  parameters.device = Word("cpu");
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());  // after a failure it loads again
  EXPECT_TRUE(fuse(*fuser).ok());
  for (const char* text :
       {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda 1", "cudaa", "cuda:99999999999", "CPU"}) {
    parameters.device = Word(text);
    expect_failure(fuser->load(parameters, nullptr, nullptr), ErrorCode::invalid_argument,
                   "parameter device: \"" + std::string(text) + "\"");
  }
}

TEST_F(Interface, DeviceAutoAlwaysComputes) {
  parameters.device = Word("auto");
  parameters.precision = Precision::automatic;
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  EXPECT_TRUE(fuse(*fuser).ok());
  const std::string device = fuser->statistics().device;
  EXPECT_TRUE(device == "cpu" || device.starts_with("cuda:")) << device;
}

TEST_F(Interface, Float16NeedsAGpu) {
  parameters.precision = Precision::float16;
  expect_failure(fuser->load(parameters, nullptr, nullptr), ErrorCode::invalid_argument,
                 "float16 needs a CUDA device");
}

TEST_F(Interface, ParametersOutOfRangeAreRefused) {
  parameters.method = Method::guided;
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  Parameters wrong = parameters;
  wrong.interval = 0;  // would never end
  expect_failure(fuser->configure(wrong), ErrorCode::invalid_argument, "parameter interval");
  expect_failure(fuser->load(wrong, nullptr, nullptr), ErrorCode::invalid_argument, "parameter interval");
  wrong = parameters;
  wrong.threads = -4;
  expect_failure(fuser->load(wrong, nullptr, nullptr), ErrorCode::invalid_argument, "parameter threads");
  wrong = parameters;
  wrong.draws = 0;
  expect_failure(fuser->load(wrong, nullptr, nullptr), ErrorCode::invalid_argument, "parameter draws");
}

TEST_F(Interface, ARefusedConfigureChangesNothing) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  ASSERT_TRUE(fuse(*fuser).ok());
  const std::vector<std::uint8_t> before = output.bytes();
  Parameters wrong = parameters;
  wrong.sharpness = 1;
  wrong.distance = Distance::ssim;
  expect_failure(fuser->configure(wrong), ErrorCode::invalid_argument,
                 "parameter distance: the student of method gradient");
  ASSERT_TRUE(fuse(*fuser).ok());
  EXPECT_EQ(output.bytes(), before);
}

TEST_F(Interface, ConfigureKeepsWhatOnlyLoadChanges) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  Parameters next;
  next.method = Method::bandwise;
  next.device = Word("cuda:63");
  next.model = Path("nowhere");
  ASSERT_TRUE(fuser->configure(next).ok());
  EXPECT_EQ(std::string(fuser->statistics().model), (folder.path / "denoiser").string());
  EXPECT_STREQ(fuser->statistics().device, "cpu");
  ASSERT_TRUE(fuse(*fuser).ok());
  EXPECT_EQ(fuser->statistics().evaluations, std::uint64_t(4 * 2 * next.draws));
}

TEST_F(Interface, AResultThatIsntFiniteIsAnError) {
  ModelFile student = tiny_gradient_student();
  student.weights["side.bias"] = at::full({2}, 6e4);  // ln of the error: its exponential overflows
  write_model_file(folder.path / "hot", student);
  parameters.student = Path((folder.path / "hot").string());
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  expect_failure(fuse(*fuser), ErrorCode::internal, "isn't finite");
  EXPECT_EQ(fuser->statistics().frames, 0u);
}

TEST_F(Interface, StatisticsTellWhatRuns) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(fuse(*fuser).ok());
  Statistics statistics = fuser->statistics();
  EXPECT_EQ(statistics.frames, 3u);
  EXPECT_EQ(statistics.evaluations, 2u);
  EXPECT_STREQ(statistics.device, "cpu");
  EXPECT_STREQ(statistics.precision, "float32");
  EXPECT_EQ(std::string(statistics.model), (folder.path / "gradient-student").string());
  ASSERT_EQ(statistics.stages, 4);
  EXPECT_STREQ(statistics.stage[3].name, "total");
  double sum = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_GE(statistics.stage[i].p95_ms, 0);
    sum += statistics.stage[i].mean_ms;
  }
  EXPECT_NEAR(statistics.stage[3].mean_ms, sum, 0.1 + 0.1 * sum);
  ASSERT_GE(statistics.parts, 4);
  EXPECT_STREQ(statistics.part[0].name, "evidence");
  double parts = 0;
  for (int i = 0; i < statistics.parts; ++i) parts += statistics.part[i].mean_ms;
  EXPECT_GT(parts, 0);
  EXPECT_LE(parts, statistics.stage[1].mean_ms * 1.001);
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  statistics = fuser->statistics();
  EXPECT_EQ(statistics.frames, 0u);
  EXPECT_EQ(statistics.evaluations, 0u);
  EXPECT_EQ(statistics.stage[3].mean_ms, 0);
  EXPECT_EQ(statistics.parts, 0);
}

TEST_F(Interface, StatisticsMayBeAskedAtAnyTime) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  std::atomic<bool> done = false;
  std::atomic<int> asked = 0;
  std::thread watcher([&] {
    std::uint64_t last = 0;
    while (!done) {
      const Statistics statistics = fuser->statistics();
      EXPECT_GE(statistics.frames, last);
      EXPECT_EQ(statistics.stages, 4);
      last = statistics.frames;
      ++asked;
    }
  });
  for (int i = 0; i < 50 || asked < 5; ++i) ASSERT_TRUE(fuse(*fuser).ok());
  done = true;
  watcher.join();
  EXPECT_GE(fuser->statistics().frames, 50u);
}

TEST_F(Interface, StreamsOfOneProcessDontDisturbEachOther) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  ASSERT_TRUE(fuse(*fuser).ok());
  const std::vector<std::uint8_t> expected = output.bytes();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      const auto own = make_fuser();
      ASSERT_TRUE(own->load(parameters, nullptr, nullptr).ok());
      TestImage out(layout_named("I420"), 48, 32);
      const Image sources[] = {visible.image, infrared.image};
      for (int n = 0; n < 5; ++n) {
        ASSERT_TRUE(own->fuse(sources, 2, out.image).ok());
        ASSERT_EQ(out.bytes(), expected);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Interface, WarmUpRefusesImpossibleSizes) {
  ASSERT_TRUE(fuser->load(parameters, nullptr, nullptr).ok());
  for (const auto& [width, height] :
       {std::pair(0, 0), std::pair(-16, 16), std::pair(15, 16), std::pair(2'000'000'000, 2'000'000'000)})
    EXPECT_FALSE(fuser->warm_up(width, height).ok()) << width << "×" << height;
  EXPECT_TRUE(fuse(*fuser).ok());
}

}  // namespace
}  // namespace digfusion
