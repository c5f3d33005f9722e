// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/registry.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "core/denoiser/model_file.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

namespace files = std::filesystem;

/// Folder of the shared library that this function is in.
files::path library_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&embedded_model), &info) == 0 || !info.dli_fname) return {};
  std::error_code error;
  const files::path path = files::canonical(info.dli_fname, error);
  return error ? files::path() : path.parent_path();
}

TensorMap placed(const TensorMap& weights, at::Device device, at::ScalarType dtype) {
  TensorMap result;
  for (const auto& [name, w] : weights) {
    const at::MemoryFormat format =
        w.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    // Through float32: the file's float16 to bfloat16 directly would round twice on some devices.
    result.emplace(name,
                   w.to(at::kFloat).to(at::TensorOptions().device(device).dtype(dtype)).contiguous(format));
  }
  return result;
}

template <class Model, class Make>
std::shared_ptr<const Model> shared(const std::string& path, at::Device device, at::ScalarType dtype,
                                    Make make) {
  using Key = std::tuple<std::string, files::file_time_type, std::string, at::ScalarType>;
  static std::mutex mutex;  // held while loading, so that a second stream waits for the copy and shares it
  static std::map<Key, std::weak_ptr<const Model>> models;
  std::error_code error;
  const files::path canonical = files::canonical(path, error);
  if (error) throw Error(ErrorCode::model, "model file " + path + ": " + error.message());
  const Key key{canonical.string(), files::last_write_time(canonical, error), device.str(), dtype};
  const std::scoped_lock lock(mutex);
  if (auto model = models[key].lock()) return model;
  auto model = make(canonical.string());
  models[key] = model;
  return model;
}

}  // namespace

std::string embedded_model(const std::string& name) {
  const std::string file = name + ".safetensors";
  std::vector<files::path> folders;
  if (const char* folder = std::getenv("DIGFUSION_WEIGHTS"); folder && *folder) folders.emplace_back(folder);
  const files::path library = library_folder();
  folders.push_back(library / "weights");
  folders.push_back(library / DIGFUSION_DATA_FROM_LIBRARY);
  std::string tried;
  for (const files::path& folder : folders) {
    const files::path path = (folder / file).lexically_normal();
    std::error_code error;
    if (files::exists(path, error)) return path.string();
    tried += " " + path.string();
  }
  throw Error(ErrorCode::model,
              "the embedded model " + file + " wasn't found; looked for" + tried +
                  ". Install digfusion again, or set DIGFUSION_WEIGHTS to the folder that holds it");
}

std::shared_ptr<const Denoiser> open_denoiser(const std::string& path, at::Device device,
                                              at::ScalarType dtype) {
  return shared<Denoiser>(
      path.empty() ? embedded_model("denoiser") : path, device, dtype, [&](const std::string& file) {
        ModelFile model = read_model_file(file, ModelKind::denoiser);
        return std::make_shared<const LumaDenoiser>(model.config, placed(model.weights, device, dtype));
      });
}

std::shared_ptr<const Student> open_student(const std::string& path, at::Device device,
                                            at::ScalarType dtype) {
  return shared<Student>(path.empty() ? embedded_model("student") : path, device, dtype,
                         [&](const std::string& file) {
                           ModelFile model = read_model_file(file, ModelKind::student);
                           return std::make_shared<const Student>(
                               model.config, placed(model.weights, device, dtype), model.timesteps);
                         });
}

}  // namespace digfusion
