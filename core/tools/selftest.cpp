// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion selftest`: whether this machine computes what it should. One line a check; nothing but LibTorch,
// the models and generated pictures.
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/InferenceMode.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <opencv2/core.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/denoiser/registry.h"
#include "core/device/device.h"
#include "core/fusion/method.h"
#include "core/tools/bench_frames.h"
#include "core/tools/bench_measure.h"
#include "core/tools/commands.h"
#include "core/tools/console.h"
#include "core/tools/luma_fuser.h"
#include "core/tools/parameter_options.h"
#include "core/tools/selftest_device.h"

namespace digfusion {
namespace {

using tools::LumaFuser;
using tools::number_text;

struct Options {
  explicit Options(CLI::App& command) : fusion(command) {}
  int frames = 1000;
  tools::ParameterOptions fusion;
};

/// A check that isn't met; the text says by how much.
struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void require(bool met, const std::string& detail) {
  if (!met) throw Failed(detail);
}

/// Lumas of the generated scene.
std::vector<std::vector<cv::Mat>> scene_frames(int width, int height, int count) {
  std::vector<std::vector<cv::Mat>> frames;
  for (tools::BenchFrame& frame : tools::bench_frames(width, height, count)) {
    auto& pair = frames.emplace_back();
    for (std::vector<std::uint8_t>* plane : {&frame.visible, &frame.infrared})
      cv::Mat(height, width, CV_8U, plane->data()).convertTo(pair.emplace_back(), CV_64F);
  }
  return frames;
}

std::vector<cv::Mat> fuse_stream(LumaFuser& fuser, const std::vector<std::vector<cv::Mat>>& frames) {
  std::vector<cv::Mat> fused;
  for (const std::vector<cv::Mat>& lumas : frames)
    fused.push_back(fused.empty() ? fuser.fuse(lumas) : fuser.fuse_next(lumas));
  return fused;
}

// --- networks

/// One of the embedded networks, ready to be asked.
using Network = std::function<at::Tensor(const at::Tensor& pictures)>;

struct NetworkName {
  std::string name;
  Network (*open)(const std::string& file, at::Device device, at::ScalarType dtype);
};

Network open_for_denoising(const std::string& file, at::Device device, at::ScalarType dtype) {
  return [network = open_denoiser(file, device, dtype)](const at::Tensor& x) {
    const std::vector<int> t(std::size_t(x.size(0)), 200);
    return network->predict_noise(x, t);
  };
}
Network open_amortised(const std::string& file, at::Device device, at::ScalarType dtype) {
  return [network = open_student(file, device, dtype)](const at::Tensor& x) {
    return network->estimate(x).mean;
  };
}
Network open_gradient(const std::string& file, at::Device device, at::ScalarType dtype) {
  return [network = open_gradient_student(file, device, dtype)](const at::Tensor& x) {
    const std::vector<NoiseLevel> noise(std::size_t(x.size(0)), NoiseLevel{15, 4});
    const GradientEstimates estimates = network->estimate(x, noise);
    return at::cat({estimates.clean.flatten(), estimates.error.log().flatten()});
  };
}

const NetworkName networks[] = {{"denoiser", open_for_denoising},
                                {"student", open_amortised},
                                {"gradient-student", open_gradient},
                                {"gradient-student-medium", open_gradient},
                                {"gradient-student-large", open_gradient}};

/// Largest difference over the largest number. float32 allows for TF32 in a GPU's convolutions.
double network_bound(at::ScalarType dtype) { return dtype == at::kFloat ? 5e-3 : 0.1; }

std::string check_network(const NetworkName& which, const DeviceChoice& choice) {
  const c10::InferenceMode inference;
  const std::string file = embedded_model(which.name);
  const Network exact = which.open(file, at::kCPU, at::kDouble),
                tested = which.open(file, choice.device, choice.network);
  double worst = 0;
  for (const auto& [count, height, width] : {std::tuple{1, 64, 64}, {2, 96, 160}, {3, 208, 48}}) {
    const at::Tensor pictures = at::avg_pool2d(at::rand({count, 1, height, width}) * 2 - 1, 3, 1, 1);
    const at::Tensor expected = exact(pictures).to(at::kDouble);
    const at::Tensor found = tested(pictures.to(choice.device)).to(at::kCPU, at::kDouble);
    worst =
        std::max(worst, (found - expected).abs().max().item<double>() / expected.abs().max().item<double>());
  }
  const std::string detail = "largest difference to float64 " + number_text(worst, 6) + " of the largest";
  require(worst <= network_bound(choice.network), detail);  // not for NaN either
  return detail;
}

// --- methods

std::string check_method(const Parameters& parameters) {
  Parameters on_cpu = parameters;
  on_cpu.device = Word("cpu");
  on_cpu.precision = Precision::float32;
  const auto frames = scene_frames(176, 144, 3);
  LumaFuser exact("float32 on the CPU", on_cpu), tested("here", parameters);
  const std::vector<cv::Mat> expected = fuse_stream(exact, frames), found = fuse_stream(tested, frames);
  double worst = 1e9;
  for (std::size_t n = 0; n < frames.size(); ++n) worst = std::min(worst, cv::PSNR(expected[n], found[n]));
  const bool is_float32 = std::string(tested.statistics().precision) == "float32";
  const std::string detail = worst > 300 ? "as float32 on the CPU, bit for bit"
                                         : number_text(worst, 1) + " dB to float32 on the CPU";
  require(worst >= (is_float32 ? 45 : 30), detail);
  return detail;
}

std::string check_repetition(const Parameters& parameters) {
  const auto frames = scene_frames(176, 144, 4);
  LumaFuser one("one", parameters), other("other", parameters);
  const std::vector<cv::Mat> first = fuse_stream(one, frames), again = fuse_stream(one, frames),
                             second = fuse_stream(other, frames);
  double largest = 0;
  for (std::size_t n = 0; n < frames.size(); ++n)
    for (const cv::Mat& repeated : {again[n], second[n]})
      largest = std::max(largest, cv::norm(first[n], repeated, cv::NORM_INF));
  // A GPU adds up in any order.
  const double bound = std::string(one.statistics().device) == "cpu" ? 0 : 1;
  const std::string detail = "pictures fused again differ by " + number_text(largest, 0) + " of 255";
  require(largest <= bound, detail);
  return detail;
}

std::string check_threads(const Parameters& parameters) {
  const auto frames = scene_frames(96, 80, 4);
  LumaFuser alone("alone", parameters);
  const std::vector<cv::Mat> expected = fuse_stream(alone, frames);
  const double bound = std::string(alone.statistics().device) == "cpu" ? 0 : 1;
  std::vector<std::string> problems(4);
  std::vector<std::thread> streams;
  for (std::string& problem : problems)
    streams.emplace_back([&] {
      try {
        LumaFuser fuser("stream", parameters);
        const std::vector<cv::Mat> fused = fuse_stream(fuser, frames);
        for (std::size_t n = 0; n < frames.size(); ++n)
          if (cv::norm(expected[n], fused[n], cv::NORM_INF) > bound) problem = "another picture";
      } catch (const std::exception& error) {
        problem = error.what();
      }
    });
  for (std::thread& stream : streams) stream.join();
  for (const std::string& problem : problems) require(problem.empty(), problem);
  return std::to_string(problems.size()) + " streams at once fuse what one alone does";
}

std::string check_sharing(const Parameters& parameters, const DeviceChoice& choice) {
  const auto one = gradient_student_of(parameters, choice.device, choice.network),
             other = gradient_student_of(parameters, choice.device, choice.network);
  require(one == other, "two streams have two copies of one model");
  return "streams share one copy of a model";
}

// --- memory

double resident_mebibytes() {
  std::ifstream file("/proc/self/statm");
  double size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

struct Memory {
  double host = resident_mebibytes(), device = 0;  ///< MiB
  std::int64_t device_allocations = 0;             ///< asked of the driver, so far
};

Memory memory_now(at::Device device) {
  Memory memory;
  if (device.is_cpu()) return memory;
  const auto stats = at::accelerator::getDeviceStats(device.index());
  memory.device = static_cast<double>(stats.allocated_bytes[0].current) / (1 << 20);
  memory.device_allocations = stats.num_device_alloc;
  return memory;
}

std::string check_memory(const Parameters& parameters, at::Device device, int frames) {
  const auto scene = scene_frames(160, 128, 4);
  LumaFuser fuser("memory", parameters);
  (void)fuse_stream(fuser, scene);
  Memory before;
  // The first tenth fills caches.
  const int warm = std::max(4, frames / 10);
  for (int n = 0; n < warm + frames; ++n) {
    if (n == warm) before = memory_now(device);
    (void)fuser.fuse_next(scene[std::size_t(n) % scene.size()]);
  }
  const Memory after = memory_now(device);
  std::string detail =
      std::to_string(frames) + " frames: " + number_text(after.host - before.host, 1) + " MiB more";
  bool flat = after.host - before.host < 16;
  if (!device.is_cpu()) {
    const auto allocations = after.device_allocations - before.device_allocations;
    detail += ", on the device " + number_text(after.device - before.device, 1) + " MiB and " +
              std::to_string(allocations) + " allocations more";
    flat = flat && after.device - before.device < 1 && allocations == 0;
  }
  require(flat, detail);
  return detail;
}

// --- errors

std::string check_errors(const Parameters& parameters) {
  Parameters missing = parameters;
  missing.student = Path("/nowhere/student.safetensors");
  LumaFuser fuser("without a model", missing);
  try {
    fuser.load();
  } catch (const std::runtime_error& error) {
    require(std::string(error.what()).find("/nowhere/student.safetensors") != std::string::npos,
            error.what());
    return "a missing model is an error that names it";
  }
  throw Failed("a missing model wasn't noticed");
}

// --- the element

/// In a pipeline of its own process, on a GPU from CUDA memory to CUDA memory.
std::string check_pipeline(const Parameters& base, bool in_cuda_memory) {
  constexpr int frames = 20;
  const auto result = tools::measure_element(base, 160, 128, {frames, 60}, 0, in_cuda_memory);
  if (const auto* problem = std::get_if<tools::ElementProblem>(&result)) {
    require(problem->is_missing, problem->what);
    return "skipped: " + problem->what.substr(0, problem->what.find('\n'));
  }
  const tools::ElementTimes& times = std::get<tools::ElementTimes>(result);
  const std::string detail = std::to_string(times.frames) + " of " + std::to_string(frames) +
                             " frames fused, visible and fused ones in " +
                             (in_cuda_memory ? "CUDA memory" : "system memory");
  require(times.frames == frames, detail);
  return detail;
}

class Report {
 public:
  void check(const std::string& name, const std::function<std::string()>& run) {
    std::string line;
    try {
      line = "ok    " + name + ": " + run();
    } catch (const std::exception& error) {
      line = "FAIL  " + name + ": " + error.what();
      ++failed_;
    }
    ++run_;
    tools::print(line + "\n");
    std::fflush(stdout);
  }
  int finish() const {
    tools::print(std::to_string(run_ - failed_) + " of " + std::to_string(run_) + " checks passed\n");
    return failed_ == 0 ? 0 : 1;
  }

 private:
  int run_ = 0, failed_ = 0;
};

int selftest(const Options& options) {
  const Parameters base = options.fusion.parameters();
  const DeviceChoice choice = choose_device(
      base.device.view(), base.precision,
      [](const std::string& message) { std::fprintf(stderr, "digfusion: %s\n", message.c_str()); });
  use_threads(base.threads);
  at::manual_seed(1);
  tools::print("digfusion " DIGFUSION_VERSION ", " + choice.device.str() + ", networks in " +
               name_of(choice.network) + "\n");
  Report report;
  for (const NetworkName& network : networks)
    report.check("network " + network.name, [&] { return check_network(network, choice); });
  const ParameterSpec& presets = *find_parameter("preset");
  for (const Choice& preset : presets.choices) {
    Parameters parameters = base;
    (void)set(parameters, "preset", preset.nick);
    parameters.steps = std::min(parameters.steps, 4);  // a few show what many would
    report.check(std::string("preset ") + preset.nick, [&] { return check_method(parameters); });
  }
  for (const Choice& method : find_parameter("method")->choices) {
    Parameters parameters = base;
    parameters.method = static_cast<Method>(method.value);
    if (parameters.method == Method::guided || parameters.method == base.method) continue;  // seen above
    report.check(std::string("method ") + method.nick, [&] { return check_method(parameters); });
  }
  Parameters denoising = base;
  denoising.noise = Word("12,8+4");
  report.check("noise taken away", [&] { return check_method(denoising); });
  report.check("repetition", [&] { return check_repetition(base); });
  report.check("streams", [&] { return check_threads(base); });
  report.check("sharing", [&] { return check_sharing(base, choice); });
  report.check("memory", [&] { return check_memory(base, choice.device, options.frames); });
  report.check("errors", [&] { return check_errors(base); });
  tools::check_device(base, choice, options.frames,
                      [&](const std::string& name, const auto& check) { report.check(name, check); });
  report.check(choice.device.is_cuda() ? "CUDA pipeline" : "pipeline",
               [&] { return check_pipeline(base, choice.device.is_cuda()); });
  return report.finish();
}

}  // namespace

void add_selftest_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "selftest", "Whether this machine computes what it should: networks, methods, memory, a line each");
  command->footer("--device cuda checks a GPU against the CPU. Exit code 1 when a check fails.");
  auto options = std::make_shared<Options>(*command);
  command->add_option("--frames", options->frames, "Frames over which memory must not grow")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->callback([options, &exit_code] { exit_code = selftest(*options); });
}

}  // namespace digfusion
