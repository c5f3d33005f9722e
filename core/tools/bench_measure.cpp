// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/bench_measure.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>

#include "core/device/device.h"
#include "core/fusion/method.h"
#include "core/image/gray_image.h"
#include "core/interface/stages.h"
#include "core/tools/median_time.h"
#include "core/tools/subprocess.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

Image i420_image(std::vector<std::uint8_t>& bytes, int width, int height) {
  Image image = gray_image(bytes.data(), width, height);
  image.range = Range::limited;
  image.components = image.planes = 3;
  const int half_width = (width + 1) / 2, half_height = (height + 1) / 2;
  std::uint8_t* chroma = bytes.data() + static_cast<std::ptrdiff_t>(width) * height;
  for (int c = 1; c < 3; ++c) {
    image.component[c] = {
        .plane = c, .offset = 0, .pixel_stride = 1, .depth = 8, .shift = 0, .w_sub = 1, .h_sub = 1};
    image.plane[c] = {chroma, half_width, static_cast<std::size_t>(half_width), half_height};
    chroma += static_cast<std::ptrdiff_t>(half_width) * half_height;
  }
  return image;
}

void require(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message);
}

fs::path element_program() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) return {};
  // Installed, or in the build folder.
  for (const char* folder : {".", "../../plugin"}) {
    const fs::path path = (self.parent_path() / folder / "digfusion-bench-element").lexically_normal();
    if (fs::exists(path, error)) return path;
  }
  return {};
}

}  // namespace

CoreTimes measure_core(const Parameters& parameters, std::vector<BenchFrame>& frames, int width, int height,
                       BenchLength length) {
  Status status;
  const std::unique_ptr<StreamFuser> fuser(digfusion_create(abi_version, sizeof(Parameters), &status));
  if (fuser) status = fuser->load(parameters, nullptr, nullptr);
  require(status);
  require(fuser->warm_up(width, height));
  std::vector<std::uint8_t> fused(frames.at(0).visible.size());
  CoreTimes times;
  Stopwatch watch;
  double milliseconds = 0;
  while (times.frames < length.frames && (times.frames < 3 || milliseconds < length.seconds * 1e3)) {
    BenchFrame& frame = frames[static_cast<std::size_t>(times.frames) % frames.size()];
    const std::array sources{i420_image(frame.visible, width, height),
                             gray_image(frame.infrared.data(), width, height)};
    require(fuser->fuse(sources.data(), sources.size(), i420_image(fused, width, height)));
    milliseconds += watch.lap();
    ++times.frames;
  }
  times.frames_per_second = times.frames / milliseconds * 1e3;
  times.statistics = fuser->statistics();
  return times;
}

const ConvolutionTime& NetworkTimes::best() const {
  return *std::max_element(
      convolutions.begin(), convolutions.end(),
      [](const ConvolutionTime& a, const ConvolutionTime& b) { return a.gflops < b.gflops; });
}

NetworkTimes measure_network(const Parameters& parameters, int width, int height, double seconds) {
  const c10::InferenceMode inference;
  use_threads(parameters.threads);
  const DeviceChoice choice =
      choose_device(parameters.device.view(), parameters.precision, [](const std::string&) {});
  const auto round_up = [](std::int64_t size, std::int64_t multiple) {
    return (size + multiple - 1) / multiple * multiple;
  };
  const auto pictures = [&](std::int64_t batch, std::int64_t multiple) {
    return at::randn({batch, 1, round_up(height, multiple), round_up(width, multiple)},
                     at::TensorOptions().device(choice.device));
  };

  NetworkTimes times;
  std::vector<ConvolutionShape> convolutions;
  if (network_of(parameters) == NetworkKind::student) {
    const auto student = open_student(std::string(parameters.student.view()), choice.device, choice.network);
    times.batch = 2;
    const at::Tensor x = pictures(times.batch, student->multiple());
    times.gflop = 2e-9 * times.batch * student->multiply_adds(x.size(2), x.size(3));
    times.milliseconds = median_ms(seconds / 2, [&] { return student->estimate(x).mean; });
    convolutions = student->convolutions(x.size(2), x.size(3));
  } else if (network_of(parameters) == NetworkKind::gradient_student) {
    const auto student = gradient_student_of(parameters, choice.device, choice.network);
    times.batch = 2;
    const at::Tensor x = pictures(times.batch, student->multiple());
    // As told; the frames of the bench have no noise to be found.
    const NoiseSetting setting = std::get<NoiseSetting>(parse_noise(parameters.noise.view()));
    std::vector<NoiseLevel> noise;
    for (std::size_t k = 0; k < 2; ++k) {
      noise.push_back({setting.of(k).white, setting.of(k).column});
      times.gflop += 2e-9 * student->multiply_adds(x.size(2), x.size(3), noise.back().total() > 0);
    }
    times.milliseconds = median_ms(seconds / 2, [&] { return student->estimate(x, noise).error; });
    convolutions = student->convolutions(x.size(2), x.size(3));
  } else {
    const auto denoiser = denoiser_of(parameters, choice.device, choice.network);
    const at::Tensor x = pictures(1, denoiser->multiple());
    times.gflop = 2e-9 * denoiser->multiply_adds(x.size(2), x.size(3));
    constexpr int timestep = 200;
    times.milliseconds = median_ms(seconds / 2, [&] { return denoiser->predict_noise(x, {&timestep, 1}); });
    convolutions = denoiser->convolutions(x.size(2), x.size(3));
  }

  const auto options = at::TensorOptions().device(choice.device).dtype(choice.network);
  for (const auto& [channels, rows, columns] : convolutions) {
    const auto format = at::MemoryFormat::ChannelsLast;
    const at::Tensor x = at::randn({times.batch, channels, rows, columns}, options).contiguous(format);
    const at::Tensor weight = at::randn({channels, channels, 3, 3}, options).contiguous(format);
    const at::Tensor bias = at::zeros({channels}, options);
    const double ms = median_ms(seconds / 2 / static_cast<double>(convolutions.size()),
                                [&] { return at::conv2d(x, weight, bias, 1, 1); });
    const double flop = 18.0 * times.batch * static_cast<double>(channels * channels * rows * columns);
    times.convolutions.push_back({channels, rows, columns, flop / ms * 1e-6});
  }
  return times;
}

double measure_plane_copy(const Parameters& parameters, int width, int height, double seconds) {
  const c10::InferenceMode inference;
  use_threads(parameters.threads);
  const DeviceChoice choice =
      choose_device(parameters.device.view(), parameters.precision, [](const std::string&) {});
  // As many as a frame has at hand, so that they lie where a frame's do.
  constexpr std::int64_t planes = 8;
  const at::Tensor from =
      at::randn({planes, height, width}, at::TensorOptions().device(choice.device).dtype(at::kFloat));
  const at::Tensor to = at::empty_like(from);
  return median_ms(seconds, [&] { return to.copy_(from); }) / planes;
}

std::variant<ElementTimes, ElementProblem> measure_element(const Parameters& parameters, int width,
                                                           int height, BenchLength length, int rate,
                                                           bool in_cuda_memory) {
  const fs::path program = element_program();
  if (program.empty()) return ElementProblem{true, "the program digfusion-bench-element isn't there"};
  std::vector<std::string> command = {program.string(),
                                      std::to_string(width),
                                      std::to_string(height),
                                      std::to_string(length.frames),
                                      std::to_string(length.seconds),
                                      std::to_string(rate)};
  // What the preset has set is among them, so the preset itself needn't be.
  for (const ParameterSpec& spec : parameter_table())
    if (std::string_view(spec.name) != "preset" && spec.get(parameters) != spec.default_value())
      command.push_back(spec.name + std::string("=") + to_text(spec, spec.get(parameters)));
  if (in_cuda_memory) command.push_back("memory=cuda");
  try {
    const ProcessResult result = run_process(command);
    // 77 is its own; 127 is the loader's, for a library that isn't there.
    if (result.exit_code != 0)
      return ElementProblem{result.exit_code == 77 || result.exit_code == 127,
                            "digfusion-bench-element failed: " +
                                (result.err.empty() ? std::to_string(result.exit_code) : result.err)};
    const auto json = nlohmann::json::parse(result.out);
    return ElementTimes{json.at("frames"), json.at("frames_per_second"), json.at("busy_cores")};
  } catch (const std::exception& error) {
    return ElementProblem{false, std::string("digfusion-bench-element: ") + error.what()};
  }
}

}  // namespace digfusion::tools
