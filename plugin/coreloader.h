// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Finds and opens libdigfusion.so. The plugin doesn't link it, so that a registry scan neither needs nor
// loads LibTorch.
#pragma once

#include <memory>
#include <string>

#include "core/interface/interface.h"

namespace digfusion {

/// The core's door, once it has been opened; copies are cheap. The library stays in the process for good:
/// LibTorch can't be unloaded safely.
struct Core {
  decltype(&digfusion_create) create = nullptr;
  std::string file;  ///< what was opened

  /// A new fuser, or null with the reason in `status`.
  std::unique_ptr<StreamFuser> new_fuser(Status& status) const;
};

/// Opens the file that the environment variable DIGFUSION_CORE names; without it, the library beside the
/// plugin (in the build folder, or as installed), else wherever the dynamic linker finds it. On failure
/// `core.create` is null and `message` says what is wrong and what to do about it.
Core open_core(std::string& message);

}  // namespace digfusion
