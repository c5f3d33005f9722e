// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/selftest_views.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "core/device/backend.h"
#include "core/fusion/gradient_frame.h"
#include "core/parameters/view.h"
#include "core/tools/device_pictures.h"
#include "core/tools/selftest_support.h"

namespace digfusion::tools {

std::string check_views(const Parameters& base, at::Device device) {
  constexpr int width = 122, height = 90, frames = 4;
  const std::vector<BenchFrame> scene = luma_scene(width, height, frames);
  Parameters p = base;
  p.method = Method::gradient;
  p.evidence = EvidenceSource::gradient;
  int shown = 0, apart = 0;
  for (const char* name : {"NV12", "RGBA"}) {
    const PictureLayout& layout = picture_layout(name);
    GradientFrame tested(make_backend(device), nullptr), twin(make_cpu_backend(), nullptr, false);
    for (const View view : {View::fused, View::visible, View::infrared, View::gain, View::split,
                            View::checker, View::side_by_side, View::picture_in_picture})
      for (const Palette palette : {Palette::none, Palette::iron}) {
        p.mode = view;
        p.palette = palette;
        for (const BenchFrame& frame : scene) {
          std::vector<std::uint8_t> found[2];
          for (const bool here : {true, false}) {
            const at::Device place = here ? device : at::Device(at::kCPU);
            DevicePicture visible(layout, width, height, 6, place),
                infrared(picture_layout("GRAY8"), width, height, 2, place),
                output(layout, panels_across(view) * width, height, 6, place);
            visible.fill(frame.visible, 1);
            infrared.fill(frame.infrared, 2);
            (here ? tested : twin)
                .fuse(std::array{visible.image(), infrared.image()}, {}, {}, output.image(), p);
            found[here] = output.bytes();
          }
          apart = std::max(apart, largest_difference(found[0], found[1]));
          ++shown;
        }
      }
  }
  const std::string detail = std::to_string(shown) + " pictures of 8 views, with and without a palette: a " +
                             "sample differs by " + std::to_string(apart) + " of 255";
  require(apart <= 8, detail);
  return detail;
}

}  // namespace digfusion::tools
