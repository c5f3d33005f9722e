// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/device/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <charconv>
#include <optional>
#include <thread>

#include "core/interface/error.h"

namespace digfusion {
namespace {

int cuda_devices() { return at::globalContext().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0; }

/// What goes wrong when the device computes something small, or nothing.
std::optional<std::string> complaint(at::Device device) {
  try {
    const at::Tensor ones = at::ones({64}, at::TensorOptions().device(device));
    if (ones.sum().item<float>() == 64.f) return {};
    return "it computes wrong results";
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  } catch (const std::exception& error) {
    return error.what();
  }
}

std::string available() {
  const int count = cuda_devices();
  if (count > 0) return std::to_string(count) + " CUDA device" + (count == 1 ? "" : "s") + " found";
#ifdef DIGFUSION_CUDA
  return "no CUDA device found; check the NVIDIA driver with nvidia-smi, or use device=cpu";
#else
  return "this build of digfusion computes on the CPU only; build with -Dcuda=enabled, or use device=cpu";
#endif
}

at::Device parse_device(std::string_view text, const std::function<void(const std::string&)>& warn) {
  if (text == "cpu") return at::kCPU;
  if (text == "auto") {
    if (cuda_devices() == 0) return at::kCPU;
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
  if (index >= cuda_devices())
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
  switch (precision) {
    case Precision::automatic:
      choice.network = !cpu || cpu_has_bfloat16() ? at::kBFloat16 : at::kFloat;
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
