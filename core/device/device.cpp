// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/device/device.h"

#include <ATen/Parallel.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <thread>

#include "core/device/cuda_devices.h"
#include "core/device/failure.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

/// What goes wrong when the device computes something small, or nothing.
std::optional<std::string> complaint(at::Device device) {
  try {
    const at::Tensor ones = at::ones({64}, at::TensorOptions().device(device));
    if (ones.sum().item<float>() == 64.f) return {};
    return "it computes wrong results";
  } catch (const std::exception& error) {
    return failure_of(error).message;
  }
}

std::string available() {
#ifdef DIGFUSION_CUDA
  return cuda_devices_text(cuda_device_count(), std::getenv("CUDA_VISIBLE_DEVICES"));
#else
  return "this build of digfusion computes on the CPU only; build with -Dcuda=enabled, or use device=cpu";
#endif
}

at::Device parse_device(std::string_view text, const std::function<void(const std::string&)>& warn) {
  if (text == "cpu") return at::kCPU;
  if (text == "auto") {
    if (cuda_device_count() == 0) return at::kCPU;
    const at::Device first(at::kCUDA, 0);
    if (const auto reason = complaint(first)) {
      warn("the GPU can't be used (" + *reason + "): computing on the CPU");
      return at::kCPU;
    }
    return first;
  }
  const std::string quoted = "\"" + std::string(text) + "\"";
  if (!text.starts_with("cuda"))
    throw Error(ErrorCode::invalid_argument,
                "parameter device: " + quoted + " is not allowed; give auto, cpu, cuda or cuda:N");
  int index = 0;
  if (text != "cuda") {
    const char* end = text.data() + text.size();
    const auto [stop, error] = text.size() > 5
                                   ? std::from_chars(text.data() + 5, end, index)
                                   : std::from_chars_result{text.data(), std::errc::invalid_argument};
    if (text[4] != ':' || error != std::errc() || stop != end || index < 0)
      throw Error(ErrorCode::invalid_argument,
                  "parameter device: " + quoted + " is not allowed; give auto, cpu, cuda or cuda:N");
  }
  if (index >= cuda_device_count())
    throw Error(ErrorCode::device, "device " + std::string(text) + " isn't there: " + available());
  const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(index));
  if (const auto reason = complaint(device))
    throw Error(ErrorCode::device, "device " + std::string(text) + " can't be used: " + *reason);
  return device;
}

}  // namespace

DeviceChoice choose_device(std::string_view text, Precision precision,
                           const std::function<void(const std::string&)>& warn) {
  DeviceChoice choice;
  choice.device = parse_device(text, warn);
  const bool cpu = choice.device.is_cpu();
  if (!cpu) tune_cuda();
  switch (precision) {
    case Precision::automatic:
      if (cpu)
        choice.network = cpu_has_bfloat16() ? at::kBFloat16 : at::kFloat;
      else
        choice.network = cuda_has_bfloat16(choice.device) ? at::kBFloat16 : at::kHalf;
      break;
    case Precision::float32:
      break;
    case Precision::bfloat16:
      choice.network = at::kBFloat16;
      break;
    case Precision::float16:
      if (cpu)
        throw Error(ErrorCode::invalid_argument,
                    "parameter precision: float16 needs a CUDA device; use auto, float32 or bfloat16");
      choice.network = at::kHalf;
      break;
  }
  return choice;
}

bool cpu_has_bfloat16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

void use_threads(int threads) {
  if (threads == 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (at::get_num_threads() != threads) at::set_num_threads(threads);
}

const char* name_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kBFloat16:
      return "bfloat16";
    case at::kHalf:
      return "float16";
    case at::kDouble:
      return "float64";
    default:
      return "float32";
  }
}

}  // namespace digfusion
