// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/selftest_infrared.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <random>
#include <stdexcept>
#include <vector>

#include "core/device/backend.h"
#include "core/fusion/gradient_frame.h"
#include "core/image/fit.h"
#include "core/image/luma.h"
#include "core/image/remap.h"
#include "core/image/thermal.h"
#include "core/interface/device_frames.h"
#include "core/tools/bench_frames.h"
#include "core/tools/console.h"
#include "core/tools/device_pictures.h"

namespace digfusion::tools {
namespace {

constexpr double bound = 1e-5;  // a GPU rounds a product and a sum once
constexpr int frames = 5;       // the last ones are graphs

Parameters drawn(const Parameters& base, std::mt19937& random) {
  const auto one_of = [&](const auto& choices) { return choices[random() % std::size(choices)]; };
  Parameters p = base;
  p.method = Method::gradient;
  p.evidence = EvidenceSource::gradient;
  p.infrared_fit = one_of(std::array{InfraredFit::contain, InfraredFit::cover, InfraredFit::stretch});
  p.gain_control = one_of(std::array{GainControl::percentile, GainControl::plateau, GainControl::full});
  p.polarity = one_of(std::array{Polarity::white_hot, Polarity::black_hot, Polarity::automatic});
  p.dead_pixels = random() % 8 == 0 ? DeadPixels::correct : DeadPixels::keep;
  for (int* side : {&p.crop_top, &p.crop_bottom, &p.crop_left, &p.crop_right})
    *side = random() % 2 == 0 ? int(random() % 6) : 0;
  p.registration = decltype(p.registration)(one_of(std::array<const char*, 5>{
      "", "", "0.9,0.05,3,-0.04,1.1,-2", "0.45,0.01,4,-0.01,0.46,2,0,0,1", "2.1,0.02,-3,0.01,2.2,-2"}));
  return p;
}

/// What the CPU makes of an infrared picture in the host's memory.
at::Tensor by_definition(const Image* sources, const Parameters& p, ThermalSource& thermal,
                         Registrar& registrar) {
  const at::Tensor visible = read_luma(sources[0]),
                   picture = thermal.read(sources[1], ThermalSettings(p), false);
  if (registrar.registers()) return registrar.apply(1, picture, visible);
  return fit_to(picture, visible,
                place(picture.size(3), picture.size(2), sources[1].pixel_aspect, sources[0].width,
                      sources[0].height, sources[0].pixel_aspect, p.infrared_fit));
}

}  // namespace

std::string check_infrared(const Parameters& base, at::Device device) {
  constexpr int streams = 40;
  std::mt19937 random(11);
  const auto side = [&](int least, int most) { return std::uniform_int_distribution(least, most)(random); };
  double worst = 0;
  for (int stream = 0; stream < streams; ++stream) {
    const Parameters p = drawn(base, random);
    const char* const layouts[] = {"GRAY16_LE", "GRAY16_LE", "GRAY8", "NV12", "P010_10LE", "RGB"};
    const PictureLayout &layout = picture_layout(layouts[random() % std::size(layouts)]),
                        &visible_layout = picture_layout("NV12");
    const int width = side(64, 300), height = side(64, 300), to_width = side(64, 300),
              to_height = side(64, 300), pitch = side(0, 20);
    const bool infrared_here = random() % 2 == 0;  // beside visible pictures of the device
    const auto scene = bench_frames(width, height, frames),
               behind = bench_frames(to_width, to_height, frames);
    const at::Device host = at::kCPU;
    DevicePicture visible(visible_layout, to_width, to_height, pitch, device),
        visible_twin(visible_layout, to_width, to_height, pitch, host),
        infrared(layout, width, height, pitch, infrared_here ? host : device),
        infrared_twin(layout, width, height, pitch, host),
        output(visible_layout, to_width, to_height, 0, device);
    GradientFrame frame(make_backend(device), nullptr);
    ThermalSource tested, defining;
    Registrar registrar(p.registration.view());
    for (int n = 0; n < frames; ++n) {
      const auto i = std::size_t(n);
      for (DevicePicture* picture : {&visible, &visible_twin}) picture->fill(behind[i].infrared, i);
      for (DevicePicture* picture : {&infrared, &infrared_twin}) picture->fill(scene[i].infrared, i);
      const std::array sources{visible.image(), infrared.image()},
          twins{visible_twin.image(), infrared_twin.image()};
      const at::Tensor expected = by_definition(twins.data(), p, defining, registrar);
      const InfraredInput made =
          prepare_infrared(sources.data(), 1, p, ThermalSettings(p), tested, registrar);
      frame.fuse(std::array{sources[0], made.image}, std::array{at::Tensor(), made.ready},
                 std::array{false, made.negative}, output.image(), p, std::array{InfraredWork{}, made.work});
      const at::Tensor found = frame.stages()[0].second.narrow(0, 1, 1).to(at::kCPU);
      const double apart = (found - expected).abs().max().item<double>();
      worst = std::isnan(apart) ? apart : std::max(worst, apart);
      if (!(apart <= bound))
        throw std::runtime_error(std::string(layout.name) + " of " + std::to_string(width) + "×" +
                                 std::to_string(height) + " on " + std::to_string(to_width) + "×" +
                                 std::to_string(to_height) + ", registration \"" +
                                 std::string(p.registration.view()) + "\": differs by " +
                                 number_text(apart * 127.5, 6) + " of 255 in frame " + std::to_string(n));
    }
  }
  return std::to_string(streams) + " streams of random size, layout, gain and place: largest difference " +
         number_text(worst * 127.5, 6) + " of 255";
}

}  // namespace digfusion::tools
