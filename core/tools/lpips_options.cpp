// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/lpips_options.h"

#include <memory>

#include "core/device/device.h"
#include "core/metrics/lpips/lpips.h"

namespace digfusion::tools {

LpipsOptions::LpipsOptions(CLI::App& command) {
  CLI::Option* folder =
      command
          .add_option("--lpips", folder_,
                      "Folder of LPIPS' weights, which adds the column LPIPS: torchvision's "
                      "alexnet-owt-*.pth and the "
                      "alex.pth (v0.1) of the Python package lpips, or the same tensors as .safetensors")
          ->type_name("DIR");
  CLI::Option* backbone =
      command.add_option("--lpips-backbone", backbone_, "torchvision's AlexNet, instead of a folder")
          ->type_name("FILE")
          ->excludes(folder);
  CLI::Option* linear =
      command.add_option("--lpips-weights", linear_, "LPIPS' linear layers, instead of a folder")
          ->type_name("FILE")
          ->excludes(folder);
  backbone->needs(linear);
  linear->needs(backbone);
}

PerceptualDistance LpipsOptions::distance() const {
  if (folder_.empty() && backbone_.empty()) return {};
  const auto lpips = std::make_shared<const metrics::Lpips>(
      folder_.empty() ? metrics::read_lpips(backbone_, linear_) : metrics::read_lpips(folder_));
  return [lpips](const cv::Mat& a, const cv::Mat& b) {
    use_threads(1);  // pictures are scored side by side already
    return lpips->distance(a, b);
  };
}

}  // namespace digfusion::tools
