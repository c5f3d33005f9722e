// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/selftest_device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "core/denoiser/registry.h"
#include "core/device/backend.h"
#include "core/device/current_kernels.h"
#include "core/fusion/bands.h"
#include "core/fusion/fuser.h"
#include "core/fusion/gradient_frame.h"
#include "core/fusion/method.h"
#include "core/tools/console.h"
#include "core/tools/device_pictures.h"
#include "core/tools/device_stream.h"
#include "core/tools/selftest_flight.h"
#include "core/tools/selftest_infrared.h"
#include "core/tools/selftest_streams.h"
#include "core/tools/selftest_support.h"
#include "core/tools/selftest_views.h"

namespace digfusion::tools {
namespace {

double largest(const at::Tensor& found, const at::Tensor& expected) {
  return (found.to(at::kCPU, at::kDouble) - expected.to(at::kCPU, at::kDouble)).abs().max().item<double>();
}

// --- single kernels, against float64

std::string check_group_norm(Backend& backend) {
  double worst = 0;
  for (const auto& [count, channels, pixels] : {std::tuple{1, 32, 35}, {2, 96, 144}, {2, 256, 1600}})
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
      const at::Tensor x = (at::randn({count, pixels, channels}) * 3 + 2).to(type),
                       weight = at::randn({channels}), bias = at::randn({channels}),
                       film = at::randn({count, 2 * channels});
      const auto there = [&](const at::Tensor& t) { return t.to(backend.device()); };
      const at::Tensor dx = there(x), dw = there(weight), db = there(bias), df = there(film),
                       y = at::empty_like(dx), factors = at::empty_like(df);
      const Number number = type == at::kFloat  ? Number::float32
                            : type == at::kHalf ? Number::float16
                                                : Number::bfloat16;
      backend.run([&] {
        backend.kernels().group_norm({dx.const_data_ptr(), y.mutable_data_ptr(), number, count, pixels,
                                      channels, 32, 1e-5f, dw.const_data_ptr<float>(),
                                      db.const_data_ptr<float>(), df.const_data_ptr<float>(), true,
                                      factors.mutable_data_ptr<float>()});
        backend.wait();
      });
      at::Tensor exact = at::group_norm(x.to(at::kDouble).transpose(1, 2).contiguous(), 32,
                                        weight.to(at::kDouble), bias.to(at::kDouble), 1e-5);
      const at::Tensor both = film.to(at::kDouble).unsqueeze(2);
      exact = exact * (both.narrow(1, 0, channels) + 1) + both.narrow(1, channels, channels);
      exact = (exact * exact.sigmoid()).transpose(1, 2);
      const double unit = type == at::kFloat ? 1e-5 : type == at::kHalf ? 1e-3 : 8e-3;
      worst = std::max(worst, largest(y, exact) / exact.abs().max().item<double>() / unit);
    }
  const std::string detail =
      "largest difference to float64 " + number_text(worst, 2) + " of what the precision allows";
  require(worst <= 1, detail);
  return detail;
}

std::string check_step(Backend& backend) {
  const std::int64_t n = 100003;
  std::array<at::Tensor, 4> host{at::randn({n}), at::randn({n}), at::randn({n}).tanh(), at::randn({n})},
      device;
  for (std::size_t i = 0; i < host.size(); ++i) device[i] = host[i].to(backend.device());
  const at::Tensor next = at::empty_like(device[0]);
  const double root = std::sqrt(0.4), rest = std::sqrt(0.6);
  backend.run([&] {
    backend.kernels().guided_step({device[0].const_data_ptr<float>(), device[1].const_data_ptr<float>(),
                                   device[2].const_data_ptr<float>(), device[3].const_data_ptr<float>(),
                                   next.mutable_data_ptr<float>(), int(n), float(root), float(rest), 0.35f,
                                   0.6f, 0.3f, 0.2f});
    backend.wait();
  });
  for (at::Tensor& t : host) t = t.to(at::kDouble);
  const at::Tensor clean = ((host[0] - host[1] * rest) / root).clamp(-1, 1);
  const double worst =
      largest(next, (clean + 0.35 * (host[2] - clean)) * 0.6 + host[0] * 0.3 + host[3] * 0.2);
  require(worst < 1e-5, "differs by " + number_text(worst, 8));
  return "largest difference to float64 " + number_text(worst, 8);
}

std::string check_combination(Backend& backend) {
  double worst = 0;
  for (const Base base : {Base::average, Base::mixed, Base::maximum}) {
    const at::Tensor sources = at::randn({2, 1, 37, 41}), means = at::randn({4, 2, 1, 37, 41}),
                     weights = at::softmax(at::randn({4, 2, 1, 37, 41}), 1);
    const at::Tensor s = sources.to(backend.device()), m = means.to(backend.device()),
                     w = weights.to(backend.device()), fused = at::empty({1, 1, 37, 41}, s.options());
    backend.run([&] {
      backend.kernels().combine({s.const_data_ptr<float>(), m.const_data_ptr<float>(),
                                 w.const_data_ptr<float>(), fused.mutable_data_ptr<float>(), 2, 4, 37 * 41,
                                 static_cast<int>(base)});
      backend.wait();
    });
    worst = std::max(worst, largest(fused, combine_bands(sources.to(at::kDouble), means.to(at::kDouble),
                                                         weights.to(at::kDouble), base)));
  }
  require(worst < 1e-5, "differs by " + number_text(worst, 8));
  return "largest difference to float64 " + number_text(worst, 8);
}

// --- within methods

/// A method's pictures with its kernels beside those with LibTorch's operators.
std::string check_method_kernels(const Parameters& p, bool is_float32) {
  constexpr int side = 96;
  const at::Tensor sources = at::avg_pool2d(at::rand({2, 1, side, side}) * 2 - 1, 5, 1, 2);
  const auto fuse = [&](KernelUse use) {
    const KernelUseGuard guard(use);
    return Fuser(p, [](const std::string&) {}).fuse(sources);
  };
  const at::Tensor found = fuse(KernelUse::everywhere).to(at::kCPU, at::kDouble),
                   expected = fuse(KernelUse::nowhere).to(at::kCPU, at::kDouble);
  const double rms = (found - expected).square().mean().sqrt().item<double>() * 127.5;
  const std::string detail = "rms " + number_text(rms, 5) + " of 255 to the operators";
  require(rms < (is_float32 ? 0.01 : 0.5), detail);  // a step's rounding is another step's input
  return detail;
}

/// Frames of a method as graphs beside the same, each the first of a stream of its own, started operator by
/// operator.
std::string check_method_graphs(const Parameters& p, const DeviceChoice& choice) {
  constexpr int side = 96, frames = 8;
  const auto silent = [](const std::string&) {};
  Fuser recorded(p, silent);
  if (choice.device.is_cpu()) recorded.record_with(make_cpu_backend());
  double worst = 0;
  for (int n = 0; n < frames; ++n) {
    const at::Tensor sources = at::avg_pool2d(at::rand({2, 1, side, side}) * 2 - 1, 5, 1, 2);
    const at::Tensor found = recorded.fuse(sources).to(at::kCPU, at::kDouble),
                     expected = Fuser(p, silent).fuse(sources).to(at::kCPU, at::kDouble);
    const double rms = (found - expected).square().mean().sqrt().item<double>() * 127.5;
    worst = std::isnan(rms) ? rms : std::max(worst, rms);
  }
  const RecordedCounts counts = recorded.recorded();
  const std::string detail = std::to_string(counts.replayed) + " of " + std::to_string(frames) +
                             " frames as graphs; they differ from frames operator by operator by rms " +
                             number_text(worst, 5) + " of 255";
  if (counts.frames == 0 && (!p.model.empty() || p.guidance == Guidance::em))
    return "none: a large network, or guidance=em";
  require(counts.failed == 0, "the frame could not be recorded as a graph");
  require(counts.replayed == frames - 2, detail);
  // cuDNN may choose other algorithms for another stream.
  require(worst <= (choice.device.is_cpu() ? 0 : choice.network == at::kFloat ? 0.01 : 0.5), detail);
  return detail;
}

// --- the kernels of a frame

Parameters frame_parameters(const Parameters& base, EvidenceSource evidence) {
  Parameters p = base;
  p.method = Method::gradient;
  p.evidence = evidence;
  return p;
}

GradientFrame make_frame(const Parameters& p, at::Device device, at::ScalarType dtype, bool graphs = true) {
  return GradientFrame(
      make_backend(device),
      p.evidence == EvidenceSource::student ? gradient_student_of(p, device, dtype) : nullptr, graphs);
}

/// Largest differences that are allowed, by stage: rms, on -1..1. float32 networks of a GPU may use TF32.
const std::map<std::string, double>& stage_bounds() {
  static const std::map<std::string, double> bounds = {
      {"planes", 1e-6},     {"told", 1e-3},     {"errors", 2e-2},  {"scene mean", 1e-4},
      {"motion", 2e-2},     {"share", 2e-2},    {"weights", 1e-2}, {"base", 2e-3},
      {"right side", 2e-3}, {"solution", 4e-3}, {"fused", 4e-3}};
  return bounds;
}

/// Every stage of frames over random sizes, pitches and layouts, on the device and by the twins.
std::string check_frames(const Parameters& p, at::Device device, const std::vector<PictureLayout>& layouts) {
  std::mt19937 random(7);
  std::map<std::string, double> worst;
  for (const PictureLayout& layout : layouts) {
    const int width = 64 + int(random() % 160), height = 64 + int(random() % 100), pitch = int(random() % 40);
    const std::vector<BenchFrame> scene = luma_scene(width, height, 6);
    GradientFrame tested = make_frame(p, device, at::kFloat),
                  twin = make_frame(p, at::kCPU, at::kFloat, false);
    const bool rgb_infrared = random() % 2 == 0;
    const PictureLayout& infrared = picture_layout(rgb_infrared ? "RGB" : "GRAY8");
    std::vector<DevicePicture> here, there;
    for (const at::Device d : {at::Device(at::kCPU), device})
      for (const PictureLayout* l : {&layout, &infrared, &layout})
        (d == at::Device(at::kCPU) && here.size() < 3 ? here : there)
            .emplace_back(*l, width, height, pitch, d);
    for (std::size_t n = 0; n < scene.size(); ++n) {
      for (auto* pictures : {&here, &there}) {
        (*pictures)[0].fill(scene[n].visible, n);
        (*pictures)[1].fill(scene[n].infrared, n);
      }
      tested.fuse(std::array{there[0].image(), there[1].image()}, {}, {}, there[2].image(), p);
      twin.fuse(std::array{here[0].image(), here[1].image()}, {}, {}, here[2].image(), p);
      const auto found = tested.stages(), expected = twin.stages();
      for (std::size_t i = 0; i < found.size(); ++i) {
        const at::Tensor difference = found[i].second.to(at::kCPU) - expected[i].second;
        double& most = worst[found[i].first];
        const double rms = difference.square().mean().sqrt().item<double>();
        most = std::isnan(rms) ? rms : std::max(most, rms);
      }
      const auto a = there[2].bytes(), b = here[2].bytes();
      int apart = 0;
      std::size_t changed = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        const int d = std::abs(int(a[i]) - int(b[i]));
        apart = std::max(apart, d);
        changed += d > 0;
      }
      // 16-bit samples are looked at by their stages alone: one level apart may be 255 in a byte.
      require(layout.depth > 8 || apart <= 8,
              std::string(layout.name) + ": a byte of the output differs by " + std::to_string(apart));
    }
  }
  std::string detail;
  for (const auto& [name, rms] : worst) {
    detail += (detail.empty() ? "rms " : ", ") + name + " " + number_text(rms * 127.5, 4);
    require(rms <= stage_bounds().at(name),
            name + " differs by " + number_text(rms * 127.5, 4) + " of 255 rms");
  }
  return detail + " (of 255)";
}

/// Frames by the kernels beside those of the Fuser on the CPU, which is the definition.
std::string check_against_fuser(const Parameters& p, at::Device device) {
  constexpr int width = 160, height = 128;
  const std::vector<BenchFrame> scene = luma_scene(width, height, 8);
  Parameters on_cpu = p;
  on_cpu.device = Word("cpu");
  on_cpu.precision = Precision::float32;
  Fuser fuser(on_cpu, [](const std::string&) {});
  GradientFrame frame = make_frame(p, device, at::kFloat);
  DevicePicture visible(picture_layout("GRAY8"), width, height, 16, device),
      infrared(picture_layout("GRAY8"), width, height, 0, device),
      output(picture_layout("GRAY8"), width, height, 0, device);
  double worst = 0;
  for (std::size_t n = 0; n < scene.size(); ++n) {
    visible.fill(scene[n].visible, n);
    infrared.fill(scene[n].infrared, n);
    std::vector<at::Tensor> lumas;
    for (const auto* gray : {&scene[n].visible, &scene[n].infrared})
      lumas.push_back(
          at::tensor(std::vector<float>(gray->begin(), gray->end())).view({1, 1, height, width}) / 127.5 - 1);
    const at::Tensor expected = fuser.fuse(at::cat(lumas));
    frame.fuse(std::array{visible.image(), infrared.image()}, {}, {}, output.image(), p);
    const double rms =
        (frame.fused().to(at::kCPU).clamp(-1, 1) - expected).square().mean().sqrt().item<double>() * 127.5;
    worst = std::isnan(rms) ? rms : std::max(worst, rms);
  }
  const std::string detail = "rms " + number_text(worst, 4) + " of 255";
  require(worst < (device.is_cpu() ? 0.05 : 0.5), detail);
  return detail;
}

/// Pictures in the GPU's memory through the library's own door, beside the same in the host's.
std::string check_cuda_memory(const Parameters& p, const DeviceChoice& choice) {
  constexpr int width = 160, height = 128;
  const std::vector<BenchFrame> scene = luma_scene(width, height, 6);
  std::vector<std::vector<std::uint8_t>> results[2];
  const at::Device devices[] = {at::kCPU, choice.device};
  for (int i = 0; i < 2; ++i) {
    Status status;
    const std::unique_ptr<StreamFuser> fuser(digfusion_create(abi_version, sizeof(Parameters), &status));
    if (fuser) status = fuser->load(p, nullptr, nullptr);
    DevicePicture visible(picture_layout("NV12"), width, height, 24, devices[i]),
        infrared(picture_layout("GRAY16_LE"), width, height, 8, devices[i]),
        output(picture_layout("NV12"), width, height, 24, devices[i]);
    for (std::size_t n = 0; n < scene.size() && status.ok(); ++n) {
      visible.fill(scene[n].visible, n);
      infrared.fill(scene[n].infrared, n);
      const std::array sources{visible.image(), infrared.image()};
      status = fuser->fuse(sources.data(), sources.size(), output.image());
      results[i].push_back(output.bytes());
    }
    require(status.ok(), status.message);
  }
  int apart = 0;
  for (std::size_t n = 0; n < results[0].size(); ++n)
    for (int row = 0; row < height; ++row)  // luma without the pitch
      for (int x = 0; x < width; ++x) {
        const std::size_t at = std::size_t(row) * (width + 24) + std::size_t(x);
        apart = std::max(apart, std::abs(int(results[0][n][at]) - int(results[1][n][at])));
      }
  const std::string detail =
      "pictures in the GPU's memory and in the host's: luma differs by " + std::to_string(apart);
  require(apart <= 1, detail);
  return detail;
}

std::vector<PictureLayout> all_layouts() { return {picture_layouts().begin(), picture_layouts().end()}; }

using Stream = DeviceStream;

std::string check_graphs(const Parameters& p, const DeviceChoice& choice) {
  Stream recorded(p, choice, true), direct(p, choice, false);
  int apart = 0;
  for (int n = 0; n < 20; ++n) {
    recorded.fuse(n);
    direct.fuse(n);
    const auto a = recorded.output.bytes(), b = direct.output.bytes();
    apart = std::max(apart, largest_difference(a, b));
  }
  require(!recorded.frame.counts().capture_failed, "the frame could not be recorded as a graph");
  require(recorded.frame.counts().replayed >= 10,
          "only " + std::to_string(recorded.frame.counts().replayed) + " of 20 frames were graphs");
  const std::string detail = std::to_string(recorded.frame.counts().replayed) +
                             " of 20 frames as graphs; they differ from frames kernel by kernel by " +
                             std::to_string(apart) + " of 255";
  require(apart <= 1, detail);
  return detail;
}

std::string check_steady_state(const Parameters& p, const DeviceChoice& choice, int frames) {
  Stream stream(p, choice, true);
  for (int n = 0; n < 20; ++n) stream.fuse(n);
  return check_steady(stream.frame.backend(), frames, [&](int n) { stream.fuse(n); });
}

std::string check_out_of_memory(const Parameters& p, const DeviceChoice& choice) {
  Stream stream(p, choice, true);
  for (int n = 0; n < 5; ++n) stream.fuse(n);
  try {
    (void)stream.frame.backend().buffer(std::size_t{1} << 50);
  } catch (const std::exception&) {
    stream.fuse(5);
    return "what doesn't fit is an error, and the stream goes on";
  }
  throw std::runtime_error("a pebibyte was allocated");
}

std::string check_second_device(const Parameters& p, const DeviceChoice& choice) {
  DeviceChoice other = choice;
  other.device = at::Device(at::kCUDA, static_cast<at::DeviceIndex>(choice.device.index() == 0 ? 1 : 0));
  Stream one(p, choice, true), second(p, other, true);
  int apart = 0;
  for (int n = 0; n < 8; ++n) {
    one.fuse(n);
    second.fuse(n);
    const auto a = one.output.bytes(), b = second.output.bytes();
    apart = std::max(apart, largest_difference(a, b));
  }
  const std::string detail =
      "pictures of " + other.device.str() + " differ by " + std::to_string(apart) + " of 255";
  require(apart <= 2, detail);
  return detail;
}

}  // namespace

void check_device(const Parameters& base, const DeviceChoice& choice, int frames, const RunCheck& run) {
  if (!has_backend(choice.device)) {
    run("kernels", [&]() -> std::string {
      throw std::runtime_error("this build has no kernels for " + choice.device.str() +
                               "; build it where nvcc is");
    });
    return;
  }
  const auto check = [&](const char* name, const std::function<std::string()>& function) {
    run(name, [&] {
      const c10::InferenceMode inference;
      return function();
    });
  };
  const std::unique_ptr<Backend> backend = make_backend(choice.device);
  check("kernel GroupNorm+FiLM+SiLU", [&] { return check_group_norm(*backend); });
  check("kernel guided step", [&] { return check_step(*backend); });
  check("kernel combination of levels", [&] { return check_combination(*backend); });
  for (const auto& [name, method, sampler] : {std::tuple{"guided, ddpm", Method::guided, Sampler::ddpm},
                                              {"guided, ddim", Method::guided, Sampler::ddim},
                                              {"bandwise", Method::bandwise, Sampler::ddpm}}) {
    Parameters p = base;
    p.method = method;
    p.sampler = sampler;
    p.steps = std::min(p.steps, 4);
    check((std::string("kernels within method ") + name).c_str(),
          [&] { return check_method_kernels(p, choice.network == at::kFloat); });
    check((std::string("graphs of method ") + name).c_str(), [&] { return check_method_graphs(p, choice); });
  }
  Parameters amortised = base;
  amortised.method = Method::amortised;
  check("graphs of method amortised", [&] { return check_method_graphs(amortised, choice); });
  const Parameters simple = frame_parameters(base, EvidenceSource::gradient),
                   student = frame_parameters(base, EvidenceSource::student);
  check("kernels of a frame", [&] { return check_frames(simple, choice.device, all_layouts()); });
  Parameters denoising = student;
  denoising.noise = Word("12,8+4");
  const std::vector<PictureLayout> two = {picture_layout("NV12"), picture_layout("RGBA")};
  check("kernels of a frame, with network", [&] { return check_frames(student, choice.device, two); });
  check("kernels of a frame, with noise taken away",
        [&] { return check_frames(denoising, choice.device, two); });
  check("kernels of a frame, against the CPU's fusion",
        [&] { return check_against_fuser(student, choice.device); });
  check("kernels of views", [&] { return check_views(base, choice.device); });
  check("kernels of infrared pictures", [&] { return check_infrared(base, choice.device); });
  if (choice.device.is_cuda())
    for (const Parameters& p : {student, frame_parameters(base, EvidenceSource::scale_space)})
      check("CUDA memory", [&] { return check_cuda_memory(p, choice); });
  check("graphs", [&] { return check_graphs(student, choice); });
  check("steady state", [&] { return check_steady_state(student, choice, frames); });
  check("frames in flight", [&] { return check_frames_in_flight(student, choice, frames); });
  if (choice.device.is_cuda()) check("frames in flight", [&] { return check_library_in_flight(student); });
  check("batched streams", [&] { return check_batched_streams(student, choice); });
  check("out of memory", [&] { return check_out_of_memory(student, choice); });
  if (choice.device.is_cuda() && at::detail::getCUDAHooks().deviceCount() > 1)
    check("two devices", [&] { return check_second_device(student, choice); });
}

}  // namespace digfusion::tools
