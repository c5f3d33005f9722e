// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion verify`: a denoiser against reference vectors: what other code computed with the same weights.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/denoiser/registry.h"
#include "core/denoiser/safetensors.h"
#include "core/device/device.h"
#include "core/diffusion/steps.h"
#include "core/interface/error.h"
#include "core/tools/commands.h"
#include "core/tools/console.h"
#include "core/tools/precisions.h"

namespace digfusion {
namespace {

struct Options {
  std::string model, config, vectors, device = "cpu", precision = "float32";
  std::optional<double> tolerance;
  int threads = 0;
};

/// The largest relative errors that are taken for roundings. In 16 bits they are about twice the largest of
/// the reference networks (docs/models.md), whose weights are random: what they sample wanders off.
struct Tolerance {
  double evaluation;  ///< of what a single evaluation gives
  double estimate;    ///< of x̂0 clipped to -1..1: there the network's rounding is divided by √ᾱ
  double sample;      ///< of a whole sample

  double of(const std::string& tensor) const {
    if (tensor.ends_with("_sample")) return sample;
    return tensor == "pred_xstart_clip" ? estimate : evaluation;
  }
};
Tolerance default_tolerance(at::ScalarType dtype) {
  if (dtype == at::kHalf) return {6e-3, 0.15, 0.2};
  if (dtype == at::kBFloat16) return {5e-2, 0.9, 1.25};
  return {1e-4, 1e-4, 1e-3};
}

std::string short_text(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", number);
  return text;
}

/// "bfloat16 0.05, 0.9, 1.25; float16 ..."
std::string default_tolerances_text() {
  std::string text;
  for (const auto& [name, dtype] : tools::precisions) {
    const Tolerance tolerance = default_tolerance(dtype);
    text += (text.empty() ? "" : "; ") + name + " " + short_text(tolerance.evaluation) + ", " +
            short_text(tolerance.estimate) + ", " + short_text(tolerance.sample);
  }
  return text;
}

/// The vectors, and what the denoiser makes of their x and t.
class Comparison {
 public:
  Comparison(const Denoiser& denoiser, const std::string& path, at::Device device)
      : denoiser_(denoiser), path_(path), vectors_(read_safetensors(path).tensors) {
    const at::Tensor& x = vector("x");
    const std::int64_t multiple = denoiser.multiple();
    if (x.dim() != 4 || x.size(0) < 1 || x.size(1) != denoiser.channels() || x.size(2) % multiple != 0 ||
        x.size(3) % multiple != 0 || x.size(2) == 0 || x.size(3) == 0)
      refuse("x has shape " + c10::str(x.sizes()) + ", expected pictures of " +
             std::to_string(denoiser.channels()) + " channels, height and width multiples of " +
             std::to_string(multiple));
    x_ = x.to(device, at::kFloat);
  }

  const TensorMap& vectors() const { return vectors_; }

  /// What a tensor of this name should be; undefined for a name that isn't known.
  at::Tensor compute(const std::string& name) {
    if (name == "output") return output();
    if (name.ends_with("_sample") && name.starts_with("ddim")) return sample();
    if (name == "respaced_timesteps") return even_timesteps();
    if (name == "alphas_cumprod_respaced") {
      std::vector<double> alphas;
      for (const int t : timesteps("respaced_timesteps")) alphas.push_back(alpha_bar(t));
      return at::tensor(alphas, at::kDouble);
    }
    for (const bool clip : {true, false}) {
      const std::string ending = clip ? "_clip" : "_noclip";
      if (name == "pred_xstart" + ending) return per_picture([&](int i) { return estimate(i, clip); });
      if (name == "p_mean" + ending) return per_picture([&](int i) { return mean(i, clip); });
      if (name == "p_variance" + ending) return per_picture([&](int i) { return variance(i); });
    }
    return {};
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorCode::invalid_argument, "reference vectors " + path_ + ": " + what);
  }
  const at::Tensor& vector(const std::string& name) const {
    const auto found = vectors_.find(name);
    if (found == vectors_.end()) refuse("tensor \"" + name + "\" is missing");
    return found->second;
  }
  std::vector<int> timesteps(const std::string& name) const {
    const at::Tensor& t = vector(name);
    if (t.dim() != 1 || t.numel() == 0 || at::isFloatingType(t.scalar_type()))
      refuse("tensor \"" + name + "\" isn't a list of timesteps");
    std::vector<int> result;
    const at::Tensor wide = t.to(at::kLong);
    for (std::int64_t i = 0; i < wide.numel(); ++i) {
      const std::int64_t each = wide.const_data_ptr<std::int64_t>()[i];
      if (each < 0 || each >= denoiser_.schedule().timesteps())
        refuse("tensor \"" + name + "\" has the timestep " + std::to_string(each));
      result.push_back(static_cast<int>(each));
    }
    return result;
  }
  double alpha_bar(int t) const {
    return t < 0 ? 1 : denoiser_.schedule().alpha_bar[static_cast<std::size_t>(t)];
  }

  const Prediction& prediction() {
    if (!prediction_.noise.defined()) {
      t_ = timesteps("t");
      if (static_cast<std::int64_t>(t_.size()) != x_.size(0)) refuse("t and x are of different lengths");
      prediction_ = denoiser_.predict(x_, t_);
    }
    return prediction_;
  }
  at::Tensor output() {
    const Prediction& p = prediction();
    return p.variance.defined() ? at::cat({p.noise, p.variance}, 1) : p.noise;
  }

  // p_mean_variance of the published code, at the whole schedule's neighbouring timesteps.
  at::Tensor per_picture(const std::function<at::Tensor(int)>& compute) {
    (void)prediction();
    std::vector<at::Tensor> pictures;
    for (int i = 0; i < int(t_.size()); ++i) pictures.push_back(compute(i));
    return at::cat(pictures);
  }
  at::Tensor estimate(int i, bool clip) const {
    const at::Tensor x = x_.narrow(0, i, 1), noise = prediction_.noise.narrow(0, i, 1);
    const double a = alpha_bar(t_[std::size_t(i)]);
    return clip ? one_step_estimate(x, noise, a) : (x - noise * std::sqrt(1 - a)) * (1 / std::sqrt(a));
  }
  at::Tensor mean(int i, bool clip) const {
    const int t = t_[std::size_t(i)];
    const at::Tensor x = x_.narrow(0, i, 1);
    return ddpm_step(x, estimate(i, clip), at::zeros_like(x), alpha_bar(t), alpha_bar(t - 1));
  }
  at::Tensor variance(int i) const {
    // At t = 0 β̃ is 0; the published code has that of t = 1 there.
    const int t = t_[std::size_t(i)], second = std::max(t, 1);
    const at::Tensor x = x_.narrow(0, i, 1);
    if (denoiser_.learns_variance() && t > 0)
      return learned_variance(prediction_.variance.narrow(0, i, 1), alpha_bar(t), alpha_bar(t - 1));
    const double small = posterior_variance(alpha_bar(second), alpha_bar(second - 1));
    const double large = t == 0 ? small : step_beta(alpha_bar(t), alpha_bar(t - 1));
    if (!denoiser_.learns_variance()) return at::full_like(x, large);
    const double beta = step_beta(alpha_bar(0), 1);
    return at::exp((prediction_.variance.narrow(0, i, 1) + 1) * (std::log(beta / small) / 2) +
                   std::log(small));
  }

  /// DDIM with η = 0 from the noise x, x̂0 clipped.
  at::Tensor sample() const {
    const std::vector<int> spaced = timesteps("respaced_timesteps");
    at::Tensor x = x_;
    for (std::size_t i = spaced.size(); i-- > 0;) {
      const std::vector<int> t(static_cast<std::size_t>(x.size(0)), spaced[i]);
      const double a = alpha_bar(spaced[i]), next = i > 0 ? alpha_bar(spaced[i - 1]) : 1;
      x = ddim_step(x, one_step_estimate(x, denoiser_.predict_noise(x, t), a), {}, a, next, 0);
    }
    return x;
  }
  /// The published timestep_respacing="N": N timesteps from 0 to T-1 at even distances, halves to even.
  at::Tensor even_timesteps() const {
    const std::int64_t count = vector("respaced_timesteps").numel();
    const double stride = count > 1 ? (denoiser_.schedule().timesteps() - 1) / double(count - 1) : 1;
    std::vector<std::int64_t> result;
    for (std::int64_t i = 0; i < count; ++i)
      result.push_back(static_cast<std::int64_t>(std::nearbyint(stride * double(i))));
    return at::tensor(result, at::kLong);
  }

  const Denoiser& denoiser_;
  std::string path_;
  TensorMap vectors_;
  at::Tensor x_;
  std::vector<int> t_;
  Prediction prediction_;
};

/// max |a - b| / max |b| of equal shapes; infinite where a isn't finite.
double relative_error(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return HUGE_VAL;
  const at::Tensor wide = b.to(at::kCPU, at::kDouble), difference = a.to(at::kCPU, at::kDouble) - wide;
  const double largest = wide.abs().max().item<double>(), error = difference.abs().max().item<double>();
  if (!std::isfinite(error)) return HUGE_VAL;
  return largest > 0 ? error / largest : error;
}

bool verify(const Options& o) {
  const c10::InferenceMode inference;
  use_threads(o.threads);
  // Whatever the device computes at full rate, precision here is what is asked for.
  const at::Device device = choose_device(o.device, Precision::float32, [](const std::string& warning) {
                              std::fprintf(stderr, "digfusion: %s\n", warning.c_str());
                            }).device;
  const at::ScalarType dtype = tools::precisions.at(o.precision);
  const auto denoiser = open_denoiser(o.model, device, dtype, o.config);
  Comparison comparison(*denoiser, o.vectors, device);
  const Tolerance tolerance = default_tolerance(dtype);

  std::size_t widest = 6, compared = 0;
  for (const auto& [name, reference] : comparison.vectors()) widest = std::max(widest, name.size());
  const auto row = [&](std::string name, const std::string& rest) {
    name.resize(widest + 2, ' ');
    tools::print(name + rest + "\n");
  };
  row("tensor", "relative error  tolerance");
  bool within = true;
  for (const auto& [name, reference] : comparison.vectors()) {
    if (name == "x" || name == "t") continue;
    const at::Tensor computed = comparison.compute(name);
    if (!computed.defined()) {
      row(name, "not known, not compared");
      continue;
    }
    ++compared;
    if (computed.sizes() != reference.sizes()) {
      within = false;
      row(name, "has shape " + c10::str(reference.sizes()) + ", expected " + c10::str(computed.sizes()));
      continue;
    }
    const double limit = o.tolerance.value_or(tolerance.of(name));
    const double error = relative_error(computed, reference);
    const bool fine = error <= limit;
    within = within && fine;
    char text[80];
    std::snprintf(text, sizeof text, "%-14.2e  %-9s%s", error, short_text(limit).c_str(),
                  fine ? "" : "  TOO LARGE");
    row(name, text);
  }
  if (compared == 0)
    throw Error(ErrorCode::invalid_argument,
                "reference vectors " + o.vectors + ": nothing in it can be compared");
  return within;
}

}  // namespace

void add_verify_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "verify",
      "Compares a denoiser with reference vectors: a line for each tensor with the relative error, "
      "max |difference| over max |reference|; exit code 1 where one is too large");
  command->footer(
      "Reference vectors are a safetensors file of x [N,C,H,W], t [N], and any of output, p_mean_clip, "
      "p_variance_clip, "
      "pred_xstart_clip, the same three with _noclip, respaced_timesteps, alphas_cumprod_respaced, "
      "ddimN_sample, as the "
      "published guided-diffusion code computes them.");
  command->option_defaults()->always_capture_default();
  command
      ->add_option("--model", options->model,
                   "Denoiser or guided-diffusion checkpoint of any format; empty: the embedded one")
      ->required();
  command->add_option(
      "--config", options->config,
      "JSON of create_model's arguments; empty: MODEL with .json for its extension, where there is one");
  command->add_option("--vectors", options->vectors, "Reference vectors")->required();
  command
      ->add_option("--tolerance", options->tolerance,
                   "Largest relative error; if not given, that of a single evaluation, of a clipped x̂0 "
                   "(pred_xstart_clip) and of a sample: " +
                       default_tolerances_text())
      ->check(CLI::NonNegativeNumber);
  command->add_option("--precision", options->precision, "Precision of the network")
      ->check(CLI::IsMember(tools::precisions));
  command->add_option("--device", options->device, "auto, cpu, cuda or cuda:N");
  command->add_option("--threads", options->threads, "CPU threads; 0: one a core")
      ->check(CLI::NonNegativeNumber);
  command->callback([options, &exit_code] { exit_code = verify(*options) ? 0 : 1; });
}

}  // namespace digfusion
