// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion bench`: where a frame's time goes.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>

#include "core/tools/bench_device.h"
#include "core/tools/bench_measure.h"
#include "core/tools/bench_peers.h"
#include "core/tools/bench_report.h"
#include "core/tools/commands.h"
#include "core/tools/console.h"
#include "core/tools/output_file.h"
#include "core/tools/parameter_options.h"
#include "core/tools/random_model.h"
#include "core/tools/size_text.h"

namespace digfusion {
namespace {

struct Options {
  explicit Options(CLI::App& command) : fusion(command) {}
  std::vector<std::string> sizes = {"640x480"}, runs = {""};
  int frames = 100;
  double seconds = 10;
  bool no_element = false, peers = false, kernels = false;
  std::string markdown, random_model;
  tools::ParameterOptions fusion;
};

tools::SizeText parse_size(const std::string& text) {
  const auto within = [](int side) { return side >= 16 && side <= 4096; };
  const auto size = tools::parse_size_text(text);
  if (size && within(size->width) && within(size->height)) return *size;
  throw CLI::ValidationError("--size: \"" + text +
                             "\" is not allowed; give WIDTHxHEIGHT from 16x16 to 4096x4096");
}

/// A network with random weights as a file, as long as it is measured.
class RandomModel {
 public:
  explicit RandomModel(const std::string& name) {
    std::string folder = (std::filesystem::temp_directory_path() / "digfusion-bench-XXXXXX").string();
    if (!mkdtemp(folder.data()))
      throw std::runtime_error("no folder for the random network can be made at " + folder +
                               "; set TMPDIR to one that has room");
    folder_ = folder;
    try {
      std::fprintf(stderr, "writing %s with random weights to %s\n", name.c_str(), path().c_str());
      // Half the room of float32, and the GPU's own precision.
      tools::write_random_model(name, path(), 1, at::kBFloat16);
    } catch (...) {
      remove();
      throw;
    }
  }
  ~RandomModel() { remove(); }
  RandomModel(const RandomModel&) = delete;
  RandomModel& operator=(const RandomModel&) = delete;
  std::string path() const { return (folder_ / "random.safetensors").string(); }

 private:
  void remove() {
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }
  std::filesystem::path folder_;
};

void bench(const Options& options) {
  Parameters base = options.fusion.parameters();
  std::optional<RandomModel> random;
  std::vector<tools::SizeText> sizes;
  for (const std::string& text : options.sizes) sizes.push_back(parse_size(text));
  if (!options.markdown.empty()) tools::check_output(options.markdown);
  if (!options.random_model.empty()) {
    random.emplace(options.random_model);
    base.model = Path(random->path());
  }
  std::vector<Parameters> runs;
  for (const std::string& text : options.runs) runs.push_back(tools::parse_settings(base, text));

  if (options.kernels) {
    tools::print(tools::device_tables(base, sizes, options.frames, options.seconds));
    return;
  }
  const tools::Machine machine = tools::this_machine();
  const tools::BenchLength length{options.frames, options.seconds};
  bool element_wanted = !options.no_element;
  std::vector<tools::BenchResult> results;
  std::vector<tools::PeerResult> peers;
  for (const tools::SizeText& size : sizes) {
    std::vector<tools::BenchFrame> frames = tools::bench_frames(size.width, size.height, 4);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      tools::BenchResult& result = results.emplace_back();
      result.settings = options.runs[i];
      result.width = size.width;
      result.height = size.height;
      const auto say = [&](const char* what) {
        std::fprintf(stderr, "%s, %s: %s\n", result.size().c_str(), tools::name_of_run(result).c_str(), what);
      };
      say("core");
      result.core = tools::measure_core(runs[i], frames, size.width, size.height, length);
      say("network and convolutions");
      result.network = tools::measure_network(runs[i], size.width, size.height, options.seconds);
      result.plane_copy_ms =
          tools::measure_plane_copy(runs[i], size.width, size.height, options.seconds / 20);
      if (!element_wanted) continue;
      say("element");
      auto element = tools::measure_element(runs[i], size.width, size.height, length);
      if (auto* times = std::get_if<tools::ElementTimes>(&element)) {
        result.element = *times;
        if (times->frames_per_second > tools::paced_rate) {
          const auto paced =
              tools::measure_element(runs[i], size.width, size.height, length, tools::paced_rate);
          if (const auto* busy = std::get_if<tools::ElementTimes>(&paced)) result.paced = *busy;
        }
      } else {
        std::fprintf(stderr, "digfusion: the element isn't measured: %s\n",
                     std::get<tools::ElementProblem>(element).what.c_str());
        element_wanted = false;
      }
    }
    if (!options.peers) continue;
    std::fprintf(stderr, "%s: peers\n", results.back().size().c_str());
    for (tools::PeerTime& time : tools::measure_peers(base, size.width, size.height, options.seconds))
      peers.push_back({results.back().size(), std::move(time)});
  }
  tools::print(tools::bench_tables(results, peers));
  if (options.markdown.empty()) return;
  const std::string page = tools::bench_page(results, peers, machine, base.threads);
  tools::write_file(options.markdown, page.data(), page.size());
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("bench",
                                         "Time of each stage, of the whole frame, of the network beside "
                                         "single convolutions, and of the element");
  command->footer("Frames are those of the generated scene, rendered before the clock starts.");
  auto options = std::make_shared<Options>(*command);
  command->add_option("--size", options->sizes, "Sizes of the frames, WIDTHxHEIGHT")
      ->type_name("SIZE")
      ->capture_default_str();
  command
      ->add_option(
          "--run", options->runs,
          "Runs, each the parameters name=value with blanks between that it sets over the others: --run "
          "\"\" preset=paper \"method=bandwise draws=1\"")
      ->type_name("SETTINGS");
  command->add_option("--frames", options->frames, "Frames of a run at most")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "Seconds of each measurement at most, but three frames")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command
      ->add_option("--random-model", options->random_model,
                   "Measure denoisers with a network of random weights, which is made for the time of the "
                   "measurement: adm-256 has the shape of 256x256_diffusion_uncond.pt, adm-tiny is a small "
                   "one of its kind")
      ->check(CLI::IsMember(tools::random_models()));
  command->add_flag("--no-element", options->no_element, "Leave the element in its pipeline out");
  command->add_flag(
      "--kernels", options->kernels,
      "Only whole frames by the fused kernels, in the device's memory, beside the device's ceilings: "
      "what a GPU is measured with");
  command->add_flag("--peers", options->peers, "Time learned fusion networks of others in the same run");
  command->add_option("--markdown", options->markdown, "Write the page docs/performance.md to this file")
      ->type_name("FILE");
  command->callback([options, &exit_code] {
    bench(*options);
    exit_code = 0;
  });
}

}  // namespace digfusion
