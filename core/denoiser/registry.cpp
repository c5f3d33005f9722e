// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/registry.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "core/denoiser/adm_denoiser.h"
#include "core/denoiser/model_file.h"
#include "core/denoiser/weights.h"
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

/// A file as it is now: its real name, and when it was last changed.
using FileState = std::pair<std::string, files::file_time_type>;

FileState state_of(const std::string& path) {
  std::error_code error;
  const files::path canonical = files::canonical(path, error);
  if (error) throw Error(ErrorCode::model, "model file " + path + ": " + error.message());
  return {canonical.string(), files::last_write_time(canonical, error)};
}

/// `make` is given the file's real name.
template <class Model, class Make>
std::shared_ptr<const Model> shared(const std::string& path, const std::string& config, at::Device device,
                                    at::ScalarType dtype, Make make) {
  using Key = std::tuple<FileState, FileState, std::string, at::ScalarType>;
  static std::mutex mutex;  // held while loading, so that a second stream waits for the copy and shares it
  static std::map<Key, std::weak_ptr<const Model>> models;
  const Key key{state_of(path), config.empty() ? FileState() : state_of(config), device.str(), dtype};
  const std::scoped_lock lock(mutex);
  if (auto model = models[key].lock()) return model;
  auto model = make(std::get<0>(key).first);
  models[key] = model;
  return model;
}

std::shared_ptr<const Denoiser> read_denoiser(const std::string& path, const std::string& config,
                                              at::Device device, at::ScalarType dtype) {
  const Checkpoint checkpoint = read_checkpoint(path);
  if (!is_model_file(checkpoint)) {
    if (const auto adm = adm_file(checkpoint, path, config))
      return std::make_shared<const AdmDenoiser>(
          adm->config, placed(adm->weights, device,
                              [&](const std::string& name) { return adm_weight_type(name, dtype); }));
  } else if (!config.empty()) {
    throw Error(ErrorCode::model, "model file " + path + ": it says itself what network it is; " + config +
                                      " can't change that");
  }
  const ModelFile model = model_file(checkpoint, path, ModelKind::denoiser);
  return std::make_shared<const LumaDenoiser>(
      model.config, placed(checkpoint.tensors, device, [&](const std::string&) { return dtype; }));
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

namespace {

template <class Model, ModelKind kind>
std::shared_ptr<const Model> open_student_of(const std::string& path, at::Device device,
                                             at::ScalarType dtype) {
  return shared<Model>(
      path.empty() ? embedded_model(name_of(kind)) : path, {}, device, dtype, [&](const std::string& file) {
        const Checkpoint checkpoint = read_checkpoint(file);
        const ModelFile model = model_file(checkpoint, file, kind);
        return std::make_shared<const Model>(
            model.config, placed(checkpoint.tensors, device, [&](const std::string&) { return dtype; }),
            model.timesteps);
      });
}

}  // namespace

std::shared_ptr<const Denoiser> open_denoiser(const std::string& path, at::Device device,
                                              at::ScalarType dtype, const std::string& config) {
  return shared<Denoiser>(
      path.empty() ? embedded_model("denoiser") : path, config, device, dtype,
      [&](const std::string& file) { return read_denoiser(file, config, device, dtype); });
}

std::shared_ptr<const Student> open_student(const std::string& path, at::Device device,
                                            at::ScalarType dtype) {
  return open_student_of<Student, ModelKind::student>(path, device, dtype);
}

std::shared_ptr<const GradientStudent> open_gradient_student(const std::string& path, at::Device device,
                                                             at::ScalarType dtype) {
  return open_student_of<GradientStudent, ModelKind::gradient_student>(path, device, dtype);
}

}  // namespace digfusion
