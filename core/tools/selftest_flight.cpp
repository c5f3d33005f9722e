// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/selftest_flight.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <vector>

#include "core/device/backend.h"
#include "core/fusion/gradient_frame.h"
#include "core/fusion/method.h"
#include "core/tools/device_pictures.h"
#include "core/tools/selftest_support.h"

namespace digfusion::tools {
namespace {

GradientFrame frame_of(const Parameters& p, const DeviceChoice& choice) {
  return GradientFrame(
      make_backend(choice.device),
      p.evidence == EvidenceSource::student ? gradient_student_of(p, choice.device, choice.network) : nullptr,
      true, 2);
}

}  // namespace

std::string check_frames_in_flight(const Parameters& p, const DeviceChoice& choice, int frames) {
  // Large enough for transfers to take their time; the twins are slow.
  const int width = choice.device.is_cpu() ? 160 : 1280, height = choice.device.is_cpu() ? 128 : 720;
  std::vector<BenchFrame> scene = luma_scene(width, height, 5);
  const at::Device host(at::kCPU);
  std::vector<DevicePicture> visible, infrared, outputs;
  for (std::size_t n = 0; n < scene.size(); ++n) {
    visible.emplace_back(picture_layout("NV12"), width, height, 8, host).fill(scene[n].visible, n);
    infrared.emplace_back(picture_layout("GRAY8"), width, height, 0, host).fill(scene[n].infrared, n);
  }
  for (int i = 0; i < 3; ++i) outputs.emplace_back(picture_layout("NV12"), width, height, 0, host);
  GradientFrame overlapped = frame_of(p, choice), one_by_one = frame_of(p, choice);
  const auto begin = [&](GradientFrame& frame, int n, const DevicePicture& output) {
    const std::size_t i = std::size_t(n) % visible.size();
    frame.begin(std::array{visible[i].image(), infrared[i].image()}, {}, {}, output.image(), p);
  };

  int apart = 0;
  begin(overlapped, 0, outputs[0]);
  for (int n = 0; n < 20; ++n) {
    begin(overlapped, n + 1, outputs[std::size_t(n + 1) % 2]);
    overlapped.finish();
    begin(one_by_one, n, outputs[2]);
    one_by_one.finish();
    const auto a = outputs[std::size_t(n) % 2].bytes(), b = outputs[2].bytes();
    apart = std::max(apart, largest_difference(a, b));
  }
  require(apart <= (choice.device.is_cpu() ? 0 : 1),
          "frames in flight differ from frames one by one by " + std::to_string(apart) + " of 255");

  return "differ from frames one by one by " + std::to_string(apart) + " of 255; " +
         check_steady(overlapped.backend(), frames, [&](int n) {
           begin(overlapped, n + 21, outputs[std::size_t(n + 1) % 2]);
           overlapped.finish();
         });
}

std::string check_library_in_flight(const Parameters& parameters) {
  Parameters p = parameters;
  p.batch_streams = 1;  // frames that are evaluated with other streams' are done one by one
  constexpr int width = 160, height = 128, frames = 12;
  std::vector<BenchFrame> scene = luma_scene(width, height, 4);
  std::vector<std::vector<std::uint8_t>> results[2];
  for (const bool overlap : {false, true}) {
    Status status;
    const std::unique_ptr<StreamFuser> fuser(digfusion_create(abi_version, sizeof(Parameters), &status));
    if (fuser) status = fuser->load(p, nullptr, nullptr);
    require(status.ok(), status.message);
    require(fuser->frames_in_flight() == p.frames_in_flight,
            std::to_string(fuser->frames_in_flight()) + " frames in flight");
    std::vector<DevicePicture> pictures;
    for (int i = 0; i < frames; ++i) {
      for (const char* layout : {"NV12", "GRAY8", "NV12"})
        pictures.emplace_back(picture_layout(layout), width, height, 0, at::Device(at::kCPU));
      const BenchFrame& f = scene[std::size_t(i) % scene.size()];
      pictures[std::size_t(3 * i)].fill(f.visible, std::uint64_t(i));
      pictures[std::size_t(3 * i + 1)].fill(f.infrared, std::uint64_t(i));
    }
    const int ahead = overlap ? fuser->frames_in_flight() - 1 : 0;
    for (int n = 0; n < frames + ahead; ++n) {
      if (n < frames) {
        const std::array sources{pictures[std::size_t(3 * n)].image(),
                                 pictures[std::size_t(3 * n + 1)].image()};
        status = fuser->begin(sources.data(), sources.size(), pictures[std::size_t(3 * n + 2)].image());
        require(status.ok(), status.message);
      }
      if (n < ahead) continue;
      status = fuser->finish();
      require(status.ok(), status.message);
      results[overlap].push_back(pictures[std::size_t(3 * (n - ahead) + 2)].bytes());
    }
  }
  int apart = 0;
  for (std::size_t n = 0; n < results[0].size(); ++n)
    for (std::size_t i = 0; i < results[0][n].size(); ++i)
      apart = std::max(apart, std::abs(int(results[0][n][i]) - int(results[1][n][i])));
  const std::string detail = "by the library's door: differ by " + std::to_string(apart) + " of 255";
  require(apart <= 1, detail);
  return detail;
}

}  // namespace digfusion::tools
