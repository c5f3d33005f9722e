// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Model files of any format, told apart by their content: safetensors, PyTorch's zip files, and the pickles
// that PyTorch wrote before version 1.6.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/denoiser/stored_tensor.h"

namespace digfusion {

enum class CheckpointFormat { safetensors, torch_zip, torch_legacy };
const char* name_of(CheckpointFormat format);

/// The tensors of a file, by name, left where they lie.
struct Checkpoint {
  CheckpointFormat format = CheckpointFormat::safetensors;
  StoredTensors tensors;
  std::map<std::string, std::string> metadata;  ///< of a safetensors file
};

/// Throws Error(model) naming the file and what is wrong in it. Nothing in a file is executed, and no size in
/// it is believed before the file has been seen to hold it. Of a PyTorch file that holds more than one state
/// dict the moving average ("ema", "model_ema", "ema_state_dict", "params_ema") is taken before "state_dict",
/// "model_state_dict", "model", "params"; "module." before every name is dropped.
Checkpoint read_checkpoint(const std::string& path);

}  // namespace digfusion
