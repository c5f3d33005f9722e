// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A stream of frames by the kernels, for `selftest` and `bench`.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <optional>
#include <vector>

#include "core/device/device.h"
#include "core/fusion/gradient_frame.h"
#include "core/parameters/parameters.h"
#include "core/tools/device_pictures.h"
#include "core/tools/size_text.h"

namespace digfusion::tools {

/// The generated scene's four frames again and again, NV12 and GRAY8 to NV12. With the parameters'
/// batch-streams its network is evaluated together with others'.
class DeviceStream {
 public:
  /// `memory`: where the pictures are; nothing: on the device.
  DeviceStream(const Parameters& parameters, const DeviceChoice& choice, bool graphs = true,
               SizeText size = {160, 128}, int in_flight = 1, std::optional<at::Device> memory = {});
  /// Into `output`.
  void fuse(int n);

  std::array<Image, 2> sources(int n) const;
  /// For two frames in flight two that take turns.
  const Image& output_of(int n) const { return (n % 2 == 0 ? output : other_output_).image(); }

 private:
  at::Device memory_;

 public:
  GradientFrame frame;
  DevicePicture output;

 private:
  DevicePicture other_output_;
  Parameters parameters_;
  std::vector<DevicePicture> visible_, infrared_;
};

}  // namespace digfusion::tools
