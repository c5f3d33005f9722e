// SPDX-License-Identifier: LGPL-2.1-or-later
#include <ATen/Context.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/device/cuda_devices.h"
#include "core/device/failure.h"
#include "core/device/fitting_batches.h"

namespace digfusion {
namespace {

using Parts = std::vector<std::pair<std::int64_t, std::int64_t>>;  // first, count

void expect_text(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Failure, IsNamedByWhatWasThrown) {
  const c10::SourceLocation nowhere{"", "", 0};
  const auto code = [](const std::exception& error) { return failure_of(error).code; };
  EXPECT_EQ(code(Error(ErrorCode::model, "m")), ErrorCode::model);
  EXPECT_EQ(failure_of(Error(ErrorCode::model, "m")).message, "m");
  EXPECT_EQ(code(std::bad_alloc()), ErrorCode::out_of_memory);
  EXPECT_EQ(code(c10::OutOfMemoryError(nowhere, "CUDA out of memory.")), ErrorCode::out_of_memory);
  EXPECT_EQ(
      code(c10::Error(nowhere, "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")),
      ErrorCode::out_of_memory);
  EXPECT_EQ(code(std::runtime_error("CUDA error: out of memory\n")), ErrorCode::out_of_memory);
  try {
    (void)at::empty({std::int64_t{1} << 58});
    ADD_FAILURE() << "a machine of a million terabytes";
  } catch (const std::exception& error) {
    EXPECT_EQ(code(error), ErrorCode::out_of_memory) << error.what();
  }
  EXPECT_EQ(code(c10::Error(nowhere, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`")),
            ErrorCode::out_of_memory);
  EXPECT_EQ(code(c10::Error(nowhere, "expected a tensor")), ErrorCode::internal);
  EXPECT_EQ(failure_of(c10::Error(nowhere, "expected a tensor")).message, "expected a tensor");
  EXPECT_EQ(failure_of(std::runtime_error("other")).message, "other");
}

TEST(Failure, OfCudaHasItsName) {
  const std::string text =
      "CUDA error: an illegal memory access was encountered\n"
      "Search for `cudaErrorIllegalAddress' in https://docs.nvidia.com/cuda/ for more information.\n"
      "CUDA kernel errors might be asynchronously reported at some other API call.";
  for (const Failure& failure :
       {failure_of(c10::AcceleratorError({"", "", 0}, 700, text)), failure_of(c10::Error({"", "", 0}, text)),
        failure_of(std::runtime_error(text))}) {
    EXPECT_EQ(failure.code, ErrorCode::device);
    expect_text(failure.message,
                {"cudaErrorIllegalAddress:", "an illegal memory access was encountered.", "READY"});
    EXPECT_EQ(failure.message.find("https"), std::string::npos);
  }
  const Failure bare = failure_of(std::runtime_error("CUDA error: unspecified launch failure"));
  EXPECT_EQ(bare.code, ErrorCode::device);
  expect_text(bare.message, {"failed: unspecified launch failure."});
}

TEST(FittingBatches, CoverEverythingInOrder) {
  FittingBatches batches;
  Parts parts;
  const auto note = [&](std::int64_t first, std::int64_t count) { parts.emplace_back(first, count); };
  batches.run(7, 10, 20, 3, note);
  EXPECT_EQ(parts, (Parts{{0, 3}, {3, 3}, {6, 1}}));
  parts.clear();
  batches.run(2, 10, 20, 0, note);  // one at least
  EXPECT_EQ(parts, (Parts{{0, 1}, {1, 1}}));
  parts.clear();
  batches.run(0, 10, 20, 4, note);
  EXPECT_TRUE(parts.empty());
}

TEST(FittingBatches, AreHalvedUntilTheyFit) {
  FittingBatches batches;
  Parts tried, done;
  const auto evaluate = [&](std::int64_t first, std::int64_t count) {
    tried.emplace_back(first, count);
    if (count > 2) throw std::bad_alloc();
    done.emplace_back(first, count);
  };
  batches.run(7, 10, 20, 7, evaluate);
  EXPECT_EQ(tried, (Parts{{0, 7}, {0, 3}, {0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}}));
  tried.clear();
  batches.run(2, 10, 20, 7, evaluate);  // remembered
  EXPECT_EQ(tried, (Parts{{0, 1}, {1, 1}}));
  tried.clear();
  batches.run(4, 20, 10, 4, evaluate);  // of another size, nothing is known
  EXPECT_EQ(tried, (Parts{{0, 4}, {0, 2}, {2, 2}}));
}

TEST(FittingBatches, LetOtherErrorsPass) {
  FittingBatches batches;
  int calls = 0;
  const auto evaluate = [&](std::int64_t, std::int64_t) {
    ++calls;
    throw std::runtime_error("CUDA error: an illegal memory access was encountered");
  };
  EXPECT_THROW(batches.run(4, 10, 20, 4, evaluate), std::runtime_error);
  EXPECT_EQ(calls, 1);
}

TEST(CudaDevices, AreTunedForPicturesOfOneSizeAndFullFloat32) {
  at::Context& context = at::globalContext();
  const bool benchmark = context.benchmarkCuDNN(), short_float = context.allowTF32CuDNN();
  testing::internal::CaptureStderr();
  tune_cuda();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");  // no warning of LibTorch's
  EXPECT_TRUE(context.benchmarkCuDNN());
  EXPECT_FALSE(context.allowTF32CuDNN());
  context.setBenchmarkCuDNN(benchmark);
  context.setAllowTF32CuDNN(short_float);
}

TEST(CudaDevices, AreDescribedAsTheRuntimeShowsThem) {
  expect_text(cuda_devices_text(0, nullptr), {"no CUDA device found;", "nvidia-smi", "device=cpu"});
  expect_text(cuda_devices_text(0, "7"), {"no CUDA device found with CUDA_VISIBLE_DEVICES=7;"});
  expect_text(cuda_devices_text(1, nullptr), {"1 CUDA device found: give cuda:0,", "MIG"});
  expect_text(cuda_devices_text(2, "3,1"),
              {"2 CUDA devices found", "CUDA_VISIBLE_DEVICES=3,1", "cuda:0 to cuda:1"});
  expect_text(cuda_devices_text(1, "MIG-0123"), {"CUDA_VISIBLE_DEVICES=MIG-0123"});
}

}  // namespace
}  // namespace digfusion
