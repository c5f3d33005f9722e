// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_theorem.h"
#include "core/fusion/method.h"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/InferenceMode.h>

#include <stdexcept>

#include "core/device/device.h"
#include "core/diffusion/seed.h"
#include "core/fusion/fuser.h"
#include "core/fusion/guided.h"
#include "core/image/pad.h"
#include "core/scene/renderer.h"
#include "core/tools/console.h"
#include "core/tools/table.h"

namespace digfusion::tools {
namespace {

constexpr std::size_t weighting_count = weighting_names.size();
constexpr int default_scenes = 16, default_width = 320, frames_between_scenes = 37;
constexpr const char* source_names[] = {"visible", "infrared"};

struct Scene {
  at::Tensor sources, ideal;  ///< [2,1,H,W] and [1,1,H,W] on -1..1
};

at::Tensor as_tensor(const scene::Plane& plane) {
  return at::tensor(plane.samples).view({1, 1, plane.height, plane.width}) * 2 - 1;
}

/// Every pattern in turn, each time another street at another moment.
Scene make_scene(int number, int width) {
  const auto patterns = scene::pattern_table();
  const auto n = static_cast<std::size_t>(number);
  const scene::Renderer renderer(patterns[n % patterns.size()].value, n / patterns.size(), width,
                                 width * 3 / 4);
  const std::int64_t frame = std::int64_t{frames_between_scenes} * number;
  scene::Plane visible, infrared, ideal;
  renderer.visible(frame, visible);
  renderer.infrared(frame, infrared);
  renderer.ideal(frame, ideal);
  return {at::cat({as_tensor(visible), as_tensor(infrared)}), as_tensor(ideal)};
}

/// [step][weighting], of one scene.
using SceneSums = std::vector<std::array<TheoremSums, weighting_count>>;

SceneSums sample_scene(const Scene& scene, int number, const Denoiser& denoiser, const Parameters& p,
                       at::Device device) {
  const std::int64_t height = scene.ideal.size(2), width = scene.ideal.size(3);
  const auto inside = [&](const at::Tensor& x) {
    return x.narrow(2, 0, height).narrow(3, 0, width).to(at::kCPU);
  };
  Evaluator evaluator(denoiser);
  SceneSums sums;
  const auto observe = [&](const GuidedStep& step) {
    const at::Tensor x0 = inside(step.x0), weights = inside(step.weights), guided = inside(step.guided);
    const at::Tensor pull = (weights * (scene.sources - x0)).sum(0, true);
    // s, from what the step did with it.
    const double scale =
        ((guided - x0) * pull).sum().item<double>() / std::max(pull.square().sum().item<double>(), 1e-30);
    auto& of_step = sums.emplace_back();
    for (std::size_t i = 0; i < weighting_count; ++i)
      of_step[i] = theorem_sums(
          scene.sources, x0, scene.ideal,
          reweighted(weights, static_cast<Weighting>(i), static_cast<std::uint64_t>(number)), scale);
  };
  Parameters own = p;
  own.seed += number;
  sample_guided(evaluator, pad_to_multiple(scene.sources.to(device), denoiser.multiple()), own,
                seeded_noise(own.seed, device), observe);
  return sums;
}

/// What is known of one step (or of all together) with one weighting.
struct Findings {
  std::vector<Estimate> covariance;  ///< of each k, then of their sum
  Estimate within;                   ///< the sum once more, as the mean over scenes of each scene's own
  Estimate zeta, zeta_over_equal;    ///< the latter: ζ less that of w = 1/K
};

Findings find(const std::vector<SceneSums>& scenes, std::size_t step, std::size_t weighting) {
  const std::size_t sources = scenes[0][step][weighting].pairs.size();
  const auto covariance = [&](std::span<const std::size_t> chosen, std::size_t k) {
    PairSums sums;
    for (const std::size_t scene : chosen) sums += scenes[scene][step][weighting].pairs[k];
    return sums.covariance();
  };
  const auto mean = [&](std::span<const std::size_t> chosen, const auto& value) {
    double sum = 0;
    for (const std::size_t scene : chosen) sum += value(scenes[scene][step]);
    return sum / static_cast<double>(chosen.size());
  };
  Findings findings;
  for (std::size_t k = 0; k < sources; ++k)
    findings.covariance.push_back(
        bootstrap(scenes.size(), [&](auto chosen) { return covariance(chosen, k); }));
  findings.covariance.push_back(bootstrap(scenes.size(), [&](auto chosen) {
    double sum = 0;
    for (std::size_t k = 0; k < sources; ++k) sum += covariance(chosen, k);
    return sum;
  }));
  findings.within = bootstrap(scenes.size(), [&](auto chosen) {
    return mean(chosen, [&](const auto& s) {
      double sum = 0;
      for (const PairSums& pair : s[weighting].pairs) sum += pair.covariance();
      return sum;
    });
  });
  findings.zeta = bootstrap(scenes.size(), [&](auto chosen) {
    return mean(chosen, [&](const auto& s) { return s[weighting].zeta; });
  });
  findings.zeta_over_equal = bootstrap(scenes.size(), [&](auto chosen) {
    return mean(chosen, [&](const auto& s) {
      return s[weighting].zeta - s[static_cast<std::size_t>(Weighting::equal)].zeta;
    });
  });
  return findings;
}

/// Σ_t Σ_k Cov(w_k, B_k).
Estimate bound_term(const std::vector<SceneSums>& scenes, std::size_t weighting) {
  return bootstrap(scenes.size(), [&](auto chosen) {
    double sum = 0;
    for (std::size_t step = 0; step < scenes[0].size(); ++step)
      for (std::size_t k = 0; k < scenes[0][step][weighting].pairs.size(); ++k) {
        PairSums sums;
        for (const std::size_t scene : chosen) sums += scenes[scene][step][weighting].pairs[k];
        sum += sums.covariance();
      }
    return sum;
  });
}

/// A number with as many decimals as it takes to see it beside 1e-6.
std::string small(double value) { return number_text(value, 6); }
std::string interval(const Estimate& e) {
  return small(e.value) + " (" + small(e.low) + " to " + small(e.high) + ")";
}

using Table = std::vector<std::vector<Findings>>;  // [step][weighting]

std::string to_csv(const Table& table, const std::vector<int>& timesteps) {
  std::vector<TableRow> rows = {{"step", "t", "weights", "quantity", "value", "low", "high"}};
  for (std::size_t i = 0; i < table.size(); ++i)
    for (std::size_t w = 0; w < weighting_count; ++w) {
      const auto row = [&](const std::string& quantity, const Estimate& e) {
        rows.push_back({std::to_string(i), std::to_string(timesteps[i]), weighting_names[w], quantity,
                        number_text(e.value, 9), number_text(e.low, 9), number_text(e.high, 9)});
      };
      const Findings& f = table[i][w];
      for (std::size_t k = 0; k + 1 < f.covariance.size(); ++k)
        row(std::string("covariance ") + source_names[k], f.covariance[k]);
      row("covariance sum", f.covariance.back());
      row("covariance sum within scenes", f.within);
      row("zeta", f.zeta);
      row("zeta less equal weights", f.zeta_over_equal);
    }
  return csv_table(rows);
}

Plot to_plot(const Table& table, const std::vector<int>& timesteps) {
  Plot plot{"Theorem 1 on generated scenes (bands: 95 % over scenes)", {}, 3};
  const auto panel = [&](const std::string& title, std::initializer_list<Weighting> weightings,
                         const auto& of) {
    Panel p{.title = title, .x_label = "timestep t", .y_label = "", .falling_x = true};
    for (const Weighting weighting : weightings) {
      const auto w = static_cast<std::size_t>(weighting);
      Curve curve{weighting_names[w], {}, {}, {}, {}, static_cast<int>(w)};
      for (std::size_t i = 0; i < table.size(); ++i) {
        const Estimate& e = of(table[i][w]);
        curve.x.push_back(timesteps[i]);
        curve.y.push_back(e.value);
        curve.low.push_back(e.low);
        curve.high.push_back(e.high);
      }
      p.curves.push_back(std::move(curve));
    }
    plot.panels.push_back(std::move(p));
  };
  const auto sum = [](const Findings& f) -> const Estimate& { return f.covariance.back(); };
  panel("sum over k of Cov(w_k, B_k)", {Weighting::gain, Weighting::shuffled}, sum);
  panel("the same within scenes", {Weighting::gain, Weighting::shuffled},
        [](const Findings& f) -> const Estimate& { return f.within; });
  panel("within scenes, for the weights' rank", {Weighting::rank},
        [](const Findings& f) -> const Estimate& { return f.within; });
  panel("zeta less that of equal weights", {Weighting::gain, Weighting::shuffled},
        [](const Findings& f) -> const Estimate& { return f.zeta_over_equal; });
  panel("zeta", {Weighting::gain, Weighting::rank, Weighting::equal},
        [](const Findings& f) -> const Estimate& { return f.zeta; });
  panel("zeta less that of equal weights, rank", {Weighting::rank},
        [](const Findings& f) -> const Estimate& { return f.zeta_over_equal; });
  return plot;
}

std::string levels_table(const Table& table, const std::vector<int>& timesteps, const GuidedPlan& plan) {
  std::vector<TableRow> rows = {{"t", "weights", "Cov visible", "Cov infrared", "Cov sum",
                                 "Cov sum within scenes", "ζ less that of w = 1/K"}};
  for (const GuidedPlan::Segment& segment : plan.segments) {
    const auto i = static_cast<std::size_t>(segment.first_step);
    for (const Weighting weighting : {Weighting::gain, Weighting::shuffled, Weighting::rank}) {
      const Findings& f = table[i][static_cast<std::size_t>(weighting)];
      rows.push_back({std::to_string(timesteps[i]), weighting_names[static_cast<std::size_t>(weighting)],
                      interval(f.covariance[0]), interval(f.covariance[1]), interval(f.covariance[2]),
                      interval(f.within), interval(f.zeta_over_equal)});
    }
  }
  return markdown_table(rows);
}

/// "above 0 at 3 of 25 steps, below at 20, unclear at 2", counting intervals.
std::string signs(const Table& table, const auto& of) {
  std::size_t above = 0, below = 0;
  for (const auto& of_step : table) {
    above += of(of_step[0]).above_zero();
    below += of(of_step[0]).below_zero();
  }
  return "above 0 at " + std::to_string(above) + " of " + std::to_string(table.size()) +
         " steps, below 0 at " + std::to_string(below) + ", not told from 0 at " +
         std::to_string(table.size() - above - below);
}

std::string verdict(const Table& table, const std::vector<SceneSums>& scenes) {
  std::string text = "What came out:\n\n- Σ_k Cov(w_k, B_k) of the information gain's weights is " +
                     signs(table, [](const Findings& f) -> const Estimate& { return f.covariance.back(); }) +
                     ".\n- The same within scenes is " +
                     signs(table, [](const Findings& f) -> const Estimate& { return f.within; }) +
                     ".\n- ζ with them less ζ with w = 1/K is " +
                     signs(table, [](const Findings& f) -> const Estimate& { return f.zeta_over_equal; }) +
                     " (below 0 is better).\n- The bound's term Σ_t Σ_k Cov(w_k, B_k):\n\n";
  std::vector<TableRow> rows = {{"weights", "Σ_t Σ_k Cov", "ζ of the last step"}};
  for (std::size_t w = 0; w < weighting_count; ++w)
    rows.push_back({weighting_names[w], interval(bound_term(scenes, w)), interval(table.back()[w].zeta)});
  return text + markdown_table(rows);
}

}  // namespace

at::Tensor contribution(const at::Tensor& sources, const at::Tensor& x0, const at::Tensor& ideal) {
  // One channel: a product over its norm is a sign.
  return (sources - x0) * at::sign(ideal - x0);
}

at::Tensor reweighted(const at::Tensor& weights, Weighting weighting, std::uint64_t seed) {
  const std::int64_t sources = weights.size(0);
  switch (weighting) {
    case Weighting::gain:
      break;
    case Weighting::shuffled: {
      const at::Tensor flat = weights.reshape({sources, -1});
      const at::Tensor order = at::randperm(
          flat.size(1), at::detail::createCPUGenerator(mix_seed(seed + 1) & 0xffffffff), at::kLong);
      return flat.index_select(1, order).view_as(weights);
    }
    case Weighting::rank: {
      if (sources != 2) throw std::invalid_argument("ranks are weights for two sources alone");
      const at::Tensor first = weights[0].contiguous();
      const std::vector<double> ranks =
          relative_ranks({first.const_data_ptr<float>(), static_cast<std::size_t>(first.numel())});
      const at::Tensor rank = at::tensor(ranks).to(at::kFloat).view_as(first);
      return at::stack({rank, 1 - rank});
    }
    case Weighting::equal:
      return at::full_like(weights, 1.0 / static_cast<double>(sources));
  }
  return weights;
}

TheoremSums theorem_sums(const at::Tensor& sources, const at::Tensor& x0, const at::Tensor& ideal,
                         const at::Tensor& weights, double scale) {
  TheoremSums sums;
  const at::Tensor b = contribution(sources, x0, ideal).to(at::kDouble), w = weights.to(at::kDouble);
  for (std::int64_t k = 0; k < sources.size(0); ++k)
    sums.pairs.push_back({static_cast<double>(b[k].numel()), w[k].sum().item<double>(),
                          b[k].sum().item<double>(), (w[k] * b[k]).sum().item<double>()});
  const at::Tensor guided = x0 + (weights * (sources - x0)).sum(0, true) * scale;
  sums.zeta = (guided - ideal).to(at::kDouble).square().mean().item<double>() / 2;
  return sums;
}

void reproduce_theorem1(const ReproduceOptions& options) {
  const Parameters& p = options.parameters;
  if (p.guidance == Guidance::em || p.distance == Distance::none)
    throw std::runtime_error("theorem1 checks the weights of the information gain, which " +
                             std::string(p.guidance == Guidance::em ? "guidance=em" : "distance=none") +
                             " has not; give another");
  make_output_folder(options.output);
  const c10::InferenceMode inference;
  use_threads(p.threads);
  const DeviceChoice choice = choose_device(p.device.view(), p.precision, [](const std::string&) {});
  const auto denoiser = denoiser_of(p, choice.device, choice.network);
  const GuidedPlan plan = plan_guided(denoiser->schedule(), p);
  const int count = options.limit > 0 ? options.limit : default_scenes;
  const int width = options.size > 0 ? options.size : default_width;

  std::vector<SceneSums> scenes;
  Progress progress("scenes", static_cast<std::size_t>(count), !options.quiet);
  for (int i = 0; i < count; ++i) {
    scenes.push_back(sample_scene(make_scene(i, width), i, *denoiser, p, choice.device));
    progress.show(scenes.size());
  }
  progress.clear();
  Table table(scenes[0].size());
  for (std::size_t step = 0; step < table.size(); ++step)
    for (std::size_t w = 0; w < weighting_count; ++w) table[step].push_back(find(scenes, step, w));

  write_report(options.output, "theorem1.csv", to_csv(table, plan.timesteps));
  std::string page = report_head("Theorem 1: do the weights go with what a source contributes?", options,
                                 choice.device.str() + " in " + name_of(choice.network));
  page += std::to_string(count) + " generated scenes of " + std::to_string(width) + "x" +
          std::to_string(width * 3 / 4) +
          " (every pattern in turn), pictures on -1..1. ζ = ½ mean (x̂0' - Y*)²; B_k = (c_k - x̂0)·(Y* - "
          "x̂0)/|Y* - x̂0| "
          "per pixel;\ncovariances over the pixels of all scenes; in brackets the 95 % bootstrap interval "
          "over scenes. "
          "The theorem needs positive covariances.\n\n" +
          verdict(table, scenes) +
          "\nAt the steps where weights are computed (all steps are in theorem1.csv):\n\n" +
          levels_table(table, plan.timesteps, plan) + "\n![curves](theorem1.png)\n";
  write_report(options.output, "theorem1.md", page);
  draw(to_plot(table, plan.timesteps), options.output, "theorem1.png");
}

}  // namespace digfusion::tools
