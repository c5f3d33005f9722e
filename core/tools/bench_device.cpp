// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/bench_device.h"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <thread>

#include "core/denoiser/registry.h"
#include "core/denoiser/unet_layers.h"
#include "core/device/backend.h"
#include "core/device/device.h"
#include "core/fusion/gradient_frame.h"
#include "core/fusion/method.h"
#include "core/interface/error.h"
#include "core/interface/stages.h"
#include "core/tools/console.h"
#include "core/tools/device_stream.h"
#include "core/tools/table.h"

namespace digfusion::tools {
namespace {

/// Milliseconds of `work` by the stream's events: the median of several runs.
double event_ms(Backend& backend, int runs, const std::function<void()>& work) {
  std::vector<double> times;
  backend.run([&] {
    const auto begin = backend.event(), end = backend.event();
    for (int i = 0; i < runs + 2; ++i) {
      begin->record();
      work();
      end->record();
      backend.wait();
      if (i >= 2) times.push_back(end->milliseconds_since(*begin));
    }
  });
  std::nth_element(times.begin(), times.begin() + std::ptrdiff_t(times.size() / 2), times.end());
  return times[times.size() / 2];
}

Ceilings measure_ceilings(const DeviceChoice& choice) {
  const bool gpu = choice.device.is_cuda();
  const std::unique_ptr<Backend> backend = make_backend(choice.device);
  const auto options = at::TensorOptions().device(choice.device).dtype(choice.network);
  const std::int64_t side = gpu ? 8192 : 512, bytes = gpu ? std::int64_t{1} << 30 : 1 << 24;
  const at::Tensor a = at::randn({side, side}, options), b = at::randn({side, side}, options);
  at::Tensor c = at::empty({side, side}, options);
  Ceilings ceilings{};
  const double cube = double(side) * double(side) * double(side);
  ceilings.tera_flops = 2e-9 * cube / event_ms(*backend, 9, [&] { at::matmul_out(c, a, b); });
  const at::Tensor from = at::zeros({bytes}, options.dtype(at::kByte)), to = at::empty_like(from);
  ceilings.giga_bytes = 2e-6 * double(bytes) / event_ms(*backend, 9, [&] { to.copy_(from); });
  constexpr int kernels = 200;
  std::unique_ptr<Graph> graph;
  backend->run([&] {
    graph = backend->capture([&] {
      for (int i = 0; i < kernels; ++i) backend->kernels().do_nothing();
    });
  });
  if (!graph) throw Error(ErrorCode::device, "a graph of empty kernels could not be recorded");
  ceilings.kernel_ms = event_ms(*backend, 9, [&] { graph->replay(); }) / kernels;
  return ceilings;
}

Floor floor_of(const std::vector<LayerCost>& layers, double pictures, at::ScalarType dtype,
               const Ceilings& c) {
  Floor floor;
  for (const LayerCost& layer : layers) {
    const double arithmetic = pictures * 2 * layer.multiply_adds / (c.tera_flops * 1e9),
                 memory = (pictures * layer.numbers + layer.weights) * double(at::elementSize(dtype)) /
                          (c.giga_bytes * 1e6);
    floor.arithmetic_ms += std::max(arithmetic, memory);
    floor.kernels_ms += c.kernel_ms;
  }
  return floor;
}

/// The least that the planes of a frame take besides its network: each read once, each written once.
double planes_ms(int width, int height, const Ceilings& c) {
  return 4 * double(width) * double(height) / (c.giga_bytes * 1e6);
}

struct LeastTime {
  double network_ms = 0, planes_ms = 0;
  double total() const { return network_ms + planes_ms; }
};

/// Of a frame of each of `streams`, whose networks are one batch without noise to be taken away.
LeastTime least_time(const Parameters& p, const DeviceChoice& choice, SizeText size, int streams,
                     const Ceilings& c) {
  LeastTime least;
  least.planes_ms = streams * planes_ms(size.width, size.height, c);
  if (p.evidence != EvidenceSource::student) return least;
  const auto student = gradient_student_of(p, choice.device, choice.network);
  const auto up = [&](std::int64_t n) {
    return (n + student->multiple() - 1) / student->multiple() * student->multiple();
  };
  least.network_ms = floor_of(unet_layers(student->config(), up(size.height), up(size.width), false),
                              2 * streams, choice.network, c)
                         .total();
  return least;
}

using Stream = DeviceStream;

struct FrameTime {
  double mean_ms, p95_ms;
};

FrameTime time_frames(Stream& stream, int frames, double seconds) {
  for (int n = 0; n < 10; ++n) stream.fuse(n);
  StageTimes times("frame");
  Stopwatch watch;
  double total = 0;
  for (int n = 0; n < frames && (n < 3 || total < seconds * 1e3); ++n) {
    watch.lap();
    stream.fuse(n);
    const double ms = watch.lap();
    times.add(ms);
    total += ms;
  }
  return {times.summary().mean_ms, times.summary().p95_ms};
}

/// Mean of frames from and to the host's memory, so many of them in flight.
double host_frame_ms(const Parameters& p, const DeviceChoice& choice, SizeText size, int in_flight,
                     int frames, double seconds) {
  Stream stream(p, choice, true, size, in_flight, at::Device(at::kCPU));
  stream.frame.begin(stream.sources(0), {}, {}, stream.output_of(0), p);
  const auto next = [&](int n) {
    if (in_flight == 1) stream.frame.finish();
    stream.frame.begin(stream.sources(n), {}, {}, stream.output_of(n), p);
    if (in_flight > 1) stream.frame.finish();
  };
  for (int n = 1; n < 10; ++n) next(n);
  Stopwatch watch;
  double total = 0;
  int done = 0;
  for (; done < frames && (done < 3 || total < seconds * 1e3); ++done) {
    next(10 + done);
    total += watch.lap();
  }
  stream.frame.finish();
  return total / done;
}

std::string parts_of(Stream& stream) {
  std::map<std::string, double> sums;
  std::vector<std::string> order;
  constexpr int frames = 10;
  stream.frame.time_parts(true);
  for (int n = 0; n < frames + 2; ++n) {
    stream.fuse(n);
    if (n < 2) continue;
    for (const FramePart& part : stream.frame.parts()) {
      if (!sums.contains(part.name)) order.emplace_back(part.name);
      sums[part.name] += part.milliseconds / frames;
    }
  }
  stream.frame.time_parts(false);
  std::string text;
  for (const std::string& name : order)
    text += (text.empty() ? "" : ", ") + name + " " + number_text(sums[name], 3);
  return text;
}

/// Frames a second of several streams together, a thread each, over the time in which all of them run.
double rate_of_streams(int count, const std::function<std::unique_ptr<Stream>()>& make, int frames,
                       double seconds) {
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < count; ++i) {
    streams.push_back(make());
    for (int n = 0; n < 4; ++n) streams.back()->fuse(n);
  }
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> done = 0;
  std::vector<std::string> problems(streams.size());
  std::barrier start(count + 1);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < streams.size(); ++i)
    threads.emplace_back([&, i] {
      const c10::InferenceMode inference;
      try {
        for (int n = 0; n < 4; ++n) streams[i]->fuse(n);  // cuDNN's choices are a thread's
        start.arrive_and_wait();
        for (int n = 0; n < frames && !stop; ++n, ++done) streams[i]->fuse(n);
      } catch (const std::exception& error) {
        problems[i] = error.what();
        (void)start.arrive();
      }
      stop = true;
    });
  start.arrive_and_wait();
  Stopwatch watch;
  double milliseconds = 0;
  while (!stop && milliseconds < seconds * 1e3) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    milliseconds += watch.lap();
  }
  const auto frames_done = static_cast<double>(done.load());
  milliseconds += watch.lap();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (const std::string& problem : problems)
    if (!problem.empty()) throw std::runtime_error(problem);
  return frames_done / milliseconds * 1e3;
}

double memory_mebibytes(at::Device device) {
  if (device.is_cpu()) return 0;
  return static_cast<double>(at::accelerator::getDeviceStats(device.index()).reserved_bytes[0].current) /
         (1 << 20);
}

}  // namespace

std::string device_tables(const Parameters& base, const std::vector<SizeText>& sizes, int frames,
                          double seconds) {
  const c10::InferenceMode inference;
  const DeviceChoice choice = choose_device(base.device.view(), base.precision, [](const std::string&) {});
  use_threads(base.threads);
  if (!has_backend(choice.device)) (void)make_backend(choice.device);  // throws
  const Ceilings ceilings = measure_ceilings(choice);
  std::string text = "Ceilings of " + choice.device.str() +
                     ", measured in this run: " + number_text(ceilings.tera_flops, 1) +
                     " TFLOP/s (matrix product, " + name_of(choice.network) + "), " +
                     number_text(ceilings.giga_bytes, 0) + " GB/s (copy, read and written), " +
                     number_text(ceilings.kernel_ms * 1e3, 2) + " µs a kernel within a graph.\n\n";
  if (!GradientFrame::takes(base))
    return text +
           "Whole frames by kernels are there for method=gradient with evidence=student or gradient.\n";

  std::vector<TableRow> rows = {{"size", "frame ms", "p95", "frames/s", "network floor ms", "with planes",
                                 "of floor", "graphs", "GPU MiB"}};
  std::string parts;
  for (const SizeText& size : sizes) {
    Stream stream(base, choice, true, size);
    const FrameTime time = time_frames(stream, frames, seconds);
    const LeastTime floor = least_time(base, choice, size, 1, ceilings);
    const double least = floor.total();
    const std::string name = std::to_string(size.width) + "x" + std::to_string(size.height);
    rows.push_back(
        {name, number_text(time.mean_ms, 3), number_text(time.p95_ms, 3), number_text(1e3 / time.mean_ms, 1),
         number_text(floor.network_ms, 3), number_text(least, 3), number_text(time.mean_ms / least, 2),
         std::to_string(stream.frame.counts().replayed) + "/" + std::to_string(stream.frame.counts().frames),
         number_text(memory_mebibytes(choice.device), 0)});
    parts += "- " + name + ", ms by events, kernel by kernel: " + parts_of(stream) + "\n";
  }
  text += "Frames from NV12 and GRAY8 in the device's memory to NV12 there.\n\n" + markdown_table(rows) +
          "\n" + parts + "\n";

  std::vector<TableRow> crossing = {{"system memory", "frames in flight", "frame ms", "frames/s"}};
  for (const SizeText& size : sizes)
    for (const int in_flight : {1, 2}) {
      const double ms = host_frame_ms(base, choice, size, in_flight, frames, seconds);
      crossing.push_back({std::to_string(size.width) + "x" + std::to_string(size.height),
                          std::to_string(in_flight), number_text(ms, 3), number_text(1e3 / ms, 1)});
    }
  text += "The same from the host's memory and to it.\n\n" + markdown_table(crossing) + "\n";

  std::vector<TableRow> many = {{"streams", "size", "frames/s of all", "of one stream's",
                                 "ms of a frame of each", "floor ms in one batch", "of floor"}};
  for (const SizeText& size : sizes) {
    double alone = 0;
    const auto add = [&](const std::string& name, int count, double rate) {
      if (alone == 0) alone = rate;
      const double ms = count * 1e3 / rate, least = least_time(base, choice, size, count, ceilings).total();
      many.push_back({name, std::to_string(size.width) + "x" + std::to_string(size.height),
                      number_text(rate, 1), number_text(rate / alone, 2), number_text(ms, 3),
                      number_text(least, 3), number_text(ms / least, 2)});
    };
    const auto measure = [&](const std::string& name, int count, const Parameters& p) {
      add(name, count,
          rate_of_streams(
              count, [&] { return std::make_unique<Stream>(p, choice, true, size); }, frames, seconds));
    };
    for (const int count : {1, 4, 16}) measure(std::to_string(count), count, base);
    if (base.evidence != EvidenceSource::student) continue;
    constexpr int together = 16;
    Parameters batched = base;
    batched.batch_streams = together;
    measure("16, batch-streams=16", together, batched);
  }
  return text + markdown_table(many);
}

}  // namespace digfusion::tools
