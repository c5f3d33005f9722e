// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Models by file: every stream of a process that names the same file, device and precision shares one copy.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "core/denoiser/denoiser.h"
#include "core/denoiser/gradient_student.h"
#include "core/denoiser/student.h"

namespace digfusion {

/// Opens a model, or hands out the copy that is in use already. An empty path means the embedded model. A
/// denoiser may be the project's own or a guided-diffusion checkpoint, in any format of read_checkpoint();
/// `config` is the JSON file that says what such a checkpoint doesn't, as adm_file() takes it. Thread-safe.
/// Throws Error(model) for a file that can't be used, what LibTorch throws for a device that can't.
std::shared_ptr<const Denoiser> open_denoiser(const std::string& path, at::Device device,
                                              at::ScalarType dtype, const std::string& config = {});
std::shared_ptr<const Student> open_student(const std::string& path, at::Device device, at::ScalarType dtype);
std::shared_ptr<const GradientStudent> open_gradient_student(const std::string& path, at::Device device,
                                                             at::ScalarType dtype);

/// The file that an empty path stands for: "denoiser.safetensors", "student.safetensors" or
/// "gradient-student.safetensors" in
/// $DIGFUSION_WEIGHTS, beside the library (build folder), or in the installed data folder.
/// Throws Error(model) that lists where it looked.
std::string embedded_model(const std::string& name);

}  // namespace digfusion
