// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/bench_report.h"

#include <torch/version.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/tools/console.h"
#include "core/tools/table.h"

namespace digfusion::tools {
namespace {

using Row = TableRow;

std::string ms(double value) { return number_text(value, value < 10 ? 2 : 1); }
std::string percent(double share) { return number_text(100 * share, 0) + " %"; }

std::string frames_table(const std::vector<BenchResult>& results) {
  const Statistics& first = results[0].core.statistics;
  Row head = {"run", "size", "frames"};
  for (int i = 0; i < first.stages; ++i) head.emplace_back(first.stage[i].name);
  for (const char* title : {"p95", "core fps", "element fps", "element/core"}) head.emplace_back(title);
  head.push_back("cores at " + std::to_string(paced_rate) + "/s");
  std::vector<Row> rows = {head};
  for (const BenchResult& result : results) {
    const Statistics& s = result.core.statistics;
    Row row = {name_of_run(result), result.size(), std::to_string(result.core.frames)};
    for (int i = 0; i < s.stages; ++i) row.push_back(ms(s.stage[i].mean_ms));
    row.push_back(ms(s.stage[s.stages - 1].p95_ms));
    row.push_back(number_text(result.core.frames_per_second, 2));
    row.push_back(result.element ? number_text(result.element->frames_per_second, 2) : "-");
    row.push_back(result.element ? percent(result.element->frames_per_second / result.core.frames_per_second)
                                 : "-");
    row.push_back(result.paced ? number_text(result.paced->busy_cores, 2) : "-");
    rows.push_back(std::move(row));
  }
  return markdown_table(rows);
}

/// Planes of float32 samples that a part reads and writes at the least, for two sources of 8 bits: each input
/// and output once. The network's part has a floor of its own.
struct Traffic {
  std::string_view part;
  double planes;
};
constexpr Traffic traffic[] = {{"read", 2.5}, {"weights", 4},     {"base", 5},    {"solve", 6},
                               {"tone", 2},   {"steadiness", 11}, {"write", 1.75}};

std::string parts_table(const std::vector<BenchResult>& results) {
  std::vector<Row> rows = {{"run", "size", "part", "ms", "share", "floor ms", "of floor"}};
  for (const BenchResult& result : results) {
    const Statistics& s = result.core.statistics;
    const double total = s.stage[s.stages - 1].mean_ms;
    const auto row = [&](std::string_view name, double milliseconds, double floor) {
      rows.push_back({name_of_run(result), result.size(), std::string(name), ms(milliseconds),
                      percent(milliseconds / total), floor > 0 ? ms(floor) : "-",
                      floor > 0 ? number_text(milliseconds / floor, 1) + " x" : "-"});
    };
    const auto floor_of = [&](std::string_view name) {
      for (const Traffic& t : traffic)
        if (t.part == name) return t.planes * result.plane_copy_ms / 2;  // a copy reads and writes
      return name == "evidence" || (name == "fuse" && s.parts == 0) ? result.floor_milliseconds() : 0;
    };
    for (int i = 0; i + 1 < s.stages; ++i) {
      const StageTime& stage = s.stage[i];
      if (std::string_view(stage.name) != "fuse" || s.parts == 0) {
        row(stage.name, stage.mean_ms, floor_of(stage.name));
        continue;
      }
      double rest = stage.mean_ms;
      for (int p = 0; p < s.parts; ++p) {
        row(s.part[p].name, s.part[p].mean_ms, floor_of(s.part[p].name));
        rest -= s.part[p].mean_ms;
      }
      row("rest of fuse", std::max(rest, 0.), 0);
    }
  }
  return markdown_table(rows);
}

std::string networks_table(const std::vector<BenchResult>& results) {
  std::vector<Row> rows = {{"run", "size", "evaluations", "network ms", "share", "GFLOP/s",
                            "best convolution", "of best", "floor ms"}};
  for (const BenchResult& result : results) {
    const StageTime& total = result.core.statistics.stage[result.core.statistics.stages - 1];
    const double best = result.network.best().gflops;
    rows.push_back({name_of_run(result), result.size(), std::to_string(result.core.statistics.evaluations),
                    ms(result.network_milliseconds()), percent(result.network_milliseconds() / total.mean_ms),
                    number_text(result.network.gflops(), 0), number_text(best, 0),
                    percent(result.network.gflops() / best), ms(result.floor_milliseconds())});
  }
  return markdown_table(rows);
}

std::string convolutions_table(const std::vector<BenchResult>& results) {
  std::vector<Row> rows = {{"run", "size", "channels", "width", "height", "pictures", "GFLOP/s"}};
  for (const BenchResult& result : results)
    for (const ConvolutionTime& c : result.network.convolutions)
      rows.push_back({name_of_run(result), result.size(), std::to_string(c.channels), std::to_string(c.width),
                      std::to_string(c.height), std::to_string(result.network.batch),
                      number_text(c.gflops, 0)});
  return markdown_table(rows);
}

/// Each beside the first run of its size.
std::string peers_table(const std::vector<BenchResult>& results, const std::vector<PeerResult>& peers) {
  std::vector<Row> rows = {
      {"network", "size", "parameters", "GFLOP", "ms", "GFLOP/s", "times our first run"}};
  for (const PeerResult& peer : peers) {
    const auto ours = std::find_if(results.begin(), results.end(),
                                   [&](const BenchResult& r) { return r.size() == peer.size; });
    const PeerTime& t = peer.time;
    rows.push_back({t.name + " (" + t.source + ")", peer.size, number_text(t.parameters, 0),
                    number_text(t.gflop, 1), ms(t.milliseconds),
                    number_text(t.gflop / t.milliseconds * 1e3, 0),
                    number_text(t.milliseconds * ours->core.frames_per_second / 1e3, 1)});
  }
  return markdown_table(rows);
}

// The different values of a text over all results: "cpu", or "denoiser.safetensors, student.safetensors".
template <class Function>
std::string all_of(const std::vector<BenchResult>& results, const Function& text_of) {
  std::set<std::string> texts;
  for (const BenchResult& result : results) texts.insert(text_of(result));
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

}  // namespace

std::string name_of_run(const BenchResult& result) {
  return result.settings.empty() ? "defaults" : result.settings;
}

std::string bench_tables(const std::vector<BenchResult>& results, const std::vector<PeerResult>& peers) {
  return frames_table(results) + "\n" + parts_table(results) + "\n" + networks_table(results) + "\n" +
         convolutions_table(results) + (peers.empty() ? "" : "\n" + peers_table(results, peers));
}

std::string bench_page(const std::vector<BenchResult>& results, const std::vector<PeerResult>& peers,
                       const Machine& machine, int threads) {
  std::string page =
      "# Performance\n\nMade by `digfusion bench --markdown`; run it on your machine for its figures.\n\n";
  const auto item = [&](const std::string& name, const std::string& value) {
    page += "- " + name + ": " + value + "\n";
  };
  item("date", today());
  item("processor",
       machine.processor + ", " + std::to_string(machine.cores) + " cores, " + machine.instructions);
  if (machine.load >= 0) item("load of the machine before the run", number_text(machine.load, 1));
  item("device", all_of(results, [](const BenchResult& r) { return std::string(r.core.statistics.device); }));
  item("precision of the networks",
       all_of(results, [](const BenchResult& r) { return std::string(r.core.statistics.precision); }));
  item("threads", threads == 0 ? "one each core" : std::to_string(threads));
  item("models", all_of(results, [](const BenchResult& r) {
         return std::filesystem::path(r.core.statistics.model).filename().string();
       }));
  item("LibTorch", std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) + "." +
                       std::to_string(TORCH_VERSION_PATCH));
  item("digfusion", DIGFUSION_VERSION);
  page +=
      "\nEvery figure comes from one run, with frames rendered beforehand (visible I420, infrared gray), "
      "after a\n"
      "warm-up. A machine that does other work at the same time makes them worse.\n\n"
      "## Frames\n\n"
      "Mean milliseconds of each stage and of the whole frame (`total`), its 95th percentile, frames a "
      "second of\n"
      "the core called back to back and of the element in a pipeline (`appsrc`, `digfusion`, "
      "`fakesink`), and\n"
      "how many cores that pipeline keeps busy when its sink takes 25 frames a second (where it can).\n\n" +
      frames_table(results) +
      "\n## Where a frame's time goes\n\n"
      "`evidence`: the noise's level and the network; `steadiness`: what moves, and the means over time. The "
      "floor of\n"
      "`evidence` is that of the network below, without the estimate of the noise; of the others the time to "
      "read each\n"
      "input and write each output once, at the rate of a copy of such planes in the same run.\n\n" +
      parts_table(results) +
      "\n## Networks\n\n"
      "Evaluations of a frame (each picture of a batch counted), their time when the network runs alone, and "
      "that\n"
      "time's share of the whole frame. GFLOP/s counts the convolutions' multiply-adds twice. `best "
      "convolution` is\n"
      "the fastest of the single 3×3 convolutions below, and the floor is the network's time if all of it "
      "ran so\n"
      "fast.\n\n" +
      networks_table(results) +
      "\n## Single convolutions\n\n"
      "3×3, as many channels out as in, at the network's own widths and resolutions, channels last, in the "
      "same\n"
      "precision.\n\n" +
      convolutions_table(results);
  if (!peers.empty())
    page +=
        "\n## Networks of others\n\n"
        "Learned fusion networks from the layer tables of their papers, with random weights, on the same "
        "device in the\nsame precision: milliseconds for one fused picture, without reading and writing it, "
        "and "
        "how many times as long\nthat is as a whole frame of the first run.\n\n" +
        peers_table(results, peers);
  return page;
}

}  // namespace digfusion::tools
