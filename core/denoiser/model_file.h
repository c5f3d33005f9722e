// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The project's own model files: safetensors whose metadata tells what network the tensors are.
//     digfusion   "denoiser", "student" or "gradient-student"
//     network     the UNetConfig as JSON
//     timesteps   a student's levels, "500,200,60,15"
//     training    how it was made, as JSON (shown by `digfusion info`)
#pragma once

#include <string>
#include <vector>

#include "core/denoiser/checkpoint.h"
#include "core/denoiser/safetensors.h"
#include "core/denoiser/unet.h"

namespace digfusion {

enum class ModelKind { denoiser, student, gradient_student };

struct ModelFile {
  ModelKind kind = ModelKind::denoiser;
  UNetConfig config;
  TensorMap weights;           ///< on the CPU, in the file's precision
  std::vector<int> timesteps;  ///< of the students
  std::string training;        ///< JSON, may be empty
};

/// Throws Error(model): see read_checkpoint(), check_weights(); and for a file of another kind.
ModelFile read_model_file(const std::string& path);
/// The same, and refuses a file of another kind by name.
ModelFile read_model_file(const std::string& path, ModelKind kind);

/// The same for a checkpoint that has been read; `path` is named in errors.
ModelFile model_file(const Checkpoint& checkpoint, const std::string& path);
ModelFile model_file(const Checkpoint& checkpoint, const std::string& path, ModelKind kind);
/// Whether it claims to be one of the project's own.
bool is_model_file(const Checkpoint& checkpoint);

/// Writes the weights as float16. Throws Error(invalid_argument) with the system's reason.
void write_model_file(const std::string& path, const ModelFile& file);

const char* name_of(ModelKind kind);

}  // namespace digfusion
