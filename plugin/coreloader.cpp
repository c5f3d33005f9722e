// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/coreloader.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

namespace digfusion {
namespace {

constexpr std::string_view core_name = DIGFUSION_CORE_NAME;
constexpr const char* advice = DIGFUSION_CORE_ADVICE ", or set DIGFUSION_CORE to the core's file.";

/// Where the core can lie, best first. A file name with a slash is tried only if it exists.
std::vector<std::filesystem::path> candidates() {
  if (const char* file = std::getenv("DIGFUSION_CORE"); file && *file) return {file};
  std::vector<std::filesystem::path> files;
  Dl_info self;
  if (dladdr(reinterpret_cast<const void*>(&open_core), &self) && self.dli_fname) {
    std::error_code error;
    const auto plugin = std::filesystem::canonical(self.dli_fname, error);
    if (!error)
      for (const char* folder : {DIGFUSION_CORE_BUILT, DIGFUSION_CORE_INSTALLED}) {
        const auto file = (plugin.parent_path() / folder / core_name).lexically_normal();
        if (std::filesystem::exists(file, error)) files.push_back(file);
      }
  }
  files.emplace_back(core_name);
  return files;
}

std::string last_error() {
  const char* error = dlerror();
  return error ? error : "unknown error";
}

}  // namespace

std::unique_ptr<StreamFuser> Core::new_fuser(Status& status) const {
  return std::unique_ptr<StreamFuser>(create(abi_version, sizeof(Parameters), &status));
}

Core open_core(std::string& message) {
  // A core that exists but can't be opened is the one that the user means: its error is reported, not hidden
  // by going on to the next.
  const auto file = candidates().front();
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) {
    message = "the fusion core can't be opened: " + last_error() + ". " + advice;
    return {};
  }
  const auto version =
      reinterpret_cast<decltype(&digfusion_abi_version)>(dlsym(library, "digfusion_abi_version"));
  const auto create = reinterpret_cast<decltype(&digfusion_create)>(dlsym(library, "digfusion_create"));
  if (!version || !create) {
    message = file.string() + " is no digfusion core: " + last_error() + ". " + advice;
  } else if (version() != abi_version) {
    message = "the fusion core " + file.string() + " has interface version " + std::to_string(version()) +
              ", this plugin needs " + std::to_string(abi_version) +
              ". Install plugin and core of the same digfusion release.";
  } else {
    return {create, file.string()};
  }
  dlclose(library);
  return {};
}

}  // namespace digfusion
