// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/selftest_views.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "core/device/backend.h"
#include "core/fusion/gradient_frame.h"
#include "core/parameters/view.h"
#include "core/tools/bench_frames.h"
#include "core/tools/device_pictures.h"

namespace digfusion::tools {

std::string check_views(const Parameters& base, at::Device device) {
  constexpr int width = 122, height = 90, frames = 4;
  std::vector<BenchFrame> scene = bench_frames(width, height, frames);
  for (BenchFrame& frame : scene) frame.visible.resize(frame.infrared.size());
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
          for (std::size_t i = 0; i < found[0].size(); ++i)
            apart = std::max(apart, std::abs(int(found[0][i]) - int(found[1][i])));
          ++shown;
        }
      }
  }
  const std::string detail = std::to_string(shown) + " pictures of 8 views, with and without a palette: a " +
                             "sample differs by " + std::to_string(apart) + " of 255";
  if (apart > 8) throw std::runtime_error(detail);
  return detail;
}

}  // namespace digfusion::tools
