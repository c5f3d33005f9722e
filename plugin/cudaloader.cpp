// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/cudaloader.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "plugin/messages.h"

namespace digfusion {
namespace {

constexpr const char* module_name = "libdigfusion-gstcuda.so.0";

std::filesystem::path module_file() {
  if (const char* file = std::getenv("DIGFUSION_CUDA_MODULE"); file && *file) return file;
  Dl_info self;
  if (!dladdr(reinterpret_cast<const void*>(&cuda_door), &self) || !self.dli_fname) return {};
  std::error_code error;
  const auto plugin = std::filesystem::canonical(self.dli_fname, error);
  for (const char* folder : {"cuda", DIGFUSION_CUDA_INSTALLED}) {
    const auto file = (plugin.parent_path() / folder / module_name).lexically_normal();
    if (!error && std::filesystem::exists(file, error)) return file;
  }
  return {};
}

struct Opened {
  const CudaDoor* door = nullptr;
  Status status;
};

Opened open_module() {
  const auto failed = [](const std::string& message) {
    return Opened{nullptr, failure(ErrorCode::device, message.c_str())};
  };
  // Most machines without an NVIDIA GPU are done here, without having loaded OpenGL.
  if (!dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL))
    return failed(std::string("there is no NVIDIA driver: ") + dlerror());
  const std::filesystem::path file = module_file();
  if (file.empty()) return failed(std::string(module_name) + " isn't installed with the plugin");
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) return failed(dlerror());
  const auto enter = reinterpret_cast<decltype(&digfusion_cuda_door)>(dlsym(library, "digfusion_cuda_door"));
  if (!enter) return failed(file.string() + " is no CUDA part of digfusion");
  Opened opened;
  opened.door = enter(cuda_door_version, &opened.status);
  if (!opened.door) return failed(file.string() + ": " + opened.status.message);
  return opened;
}

const Opened& opened() {
  static const Opened once = open_module();
  return once;
}

}  // namespace

const CudaDoor* cuda_door() { return opened().door; }

const Status& no_cuda_reason() { return opened().status; }

}  // namespace digfusion
