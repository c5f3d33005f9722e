// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/training/trainer.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/denoiser/denoiser.h"
#include "core/denoiser/model_file.h"
#include "core/denoiser/registry.h"
#include "core/denoiser/student.h"
#include "core/diffusion/steps.h"
#include "core/interface/error.h"
#include "core/training/adam.h"
#include "core/training/pool.h"

namespace digfusion {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t warm_up_steps = 200;
constexpr double gradient_clip = 1.0;

TensorMap in_precision(const TensorMap& weights, bool bfloat16) {
  if (!bfloat16) return weights;
  TensorMap result;
  for (const auto& [name, w] : weights) result.emplace(name, w.to(at::kBFloat16));
  return result;
}

at::Generator generator_for(std::uint64_t seed, std::int64_t step) {
  return at::detail::createCPUGenerator(seed * 1000003 + std::uint64_t(step));
}

/// σ of a batch: log-normal as EDM's, with a fifth spread evenly over the timesteps so that none goes unseen.
at::Tensor sample_sigmas(const NoiseSchedule& schedule, int batch, at::Generator generator) {
  at::Tensor sigma = at::randn({batch}, generator).mul_(1.2).add_(-1.2).exp_();
  auto* s = sigma.data_ptr<float>();
  for (int i = 0; i < batch; i += 5)
    s[i] = float(schedule.sigma(int(at::randint(schedule.timesteps(), {1}, generator).item<std::int64_t>())));
  return sigma.clamp_(schedule.sigma(0), schedule.sigma(schedule.timesteps() - 1));
}

class Objective {
 public:
  virtual ~Objective() = default;
  virtual at::Tensor loss(const TensorMap& weights, const at::Tensor& pictures, at::Generator generator) = 0;
  virtual void validate(const TensorMap&, double (&)[3]) {}
};

/// EDM's loss: the error of D at the weight 1/c_out², that is, of F itself.
class DenoiserObjective : public Objective {
 public:
  DenoiserObjective(const UNetConfig& config, at::Tensor held_out)
      : config_(config), held_out_(std::move(held_out)) {}

  at::Tensor loss(const TensorMap& weights, const at::Tensor& pictures, at::Generator generator) override {
    const at::Tensor sigma = sample_sigmas(schedule_, int(pictures.size(0)), generator);
    const at::Tensor s = sigma.view({-1, 1, 1, 1});
    const at::Tensor noisy = at::addcmul(pictures, at::randn(pictures.sizes(), generator), s);
    const at::Tensor weight = (s * s + 0.25) / (s * s * 0.25);
    return (weight * (luma_denoise(config_, weights, noisy, sigma) - pictures).square()).mean();
  }

  void validate(const TensorMap& weights, double (&psnr)[3]) override {
    constexpr double sigmas[3] = {10, 22, 50};
    for (int i = 0; i < 3; ++i) {
      const double sigma = sigmas[i] / 127.5;
      const at::Tensor noise = at::randn(held_out_.sizes(), generator_for(12345, i));
      const at::Tensor levels = at::full({held_out_.size(0)}, sigma, held_out_.options());
      const at::Tensor estimate =
          luma_denoise(config_, weights, held_out_ + noise * sigma, levels).clamp_(-1, 1);
      psnr[i] = -10 * std::log10((estimate - held_out_).square().mean().item<double>() / 4);
    }
  }

 private:
  UNetConfig config_;
  at::Tensor held_out_;
  NoiseSchedule schedule_ = linear_schedule();
};

/// Squared error against single-draw estimates, whose minimum is the mean over draws; and for the error maps
/// e/exp(o) + o, whose minimum is exp(o) = E[e].
class StudentObjective : public Objective {
 public:
  StudentObjective(const UNetConfig& config, std::vector<int> timesteps,
                   std::shared_ptr<const Denoiser> teacher)
      : config_(config), timesteps_(std::move(timesteps)), teacher_(std::move(teacher)) {}

  at::Tensor loss(const TensorMap& weights, const at::Tensor& pictures, at::Generator generator) override {
    const std::int64_t batch = pictures.size(0), levels = std::int64_t(timesteps_.size());
    // Each picture of the batch stands at one of the levels.
    std::vector<int> t;
    std::vector<std::int64_t> level;
    std::vector<float> inverse_scale;
    std::vector<at::Tensor> noisy, rows_mean, rows_log_error;
    const StudentOutputs student = student_forward(config_, weights, pictures, timesteps_);
    for (std::int64_t i = 0; i < batch; ++i) {
      level.push_back(i * levels / batch);
      t.push_back(timesteps_[std::size_t(level.back())]);
      inverse_scale.push_back(float(1 / typical_error(t.back())));
      const at::Tensor clean = pictures.narrow(0, i, 1);
      noisy.push_back(add_noise(clean, at::randn(clean.sizes(), generator), alpha_bar(t.back())));
      rows_mean.push_back(student.mean.narrow(0, i, 1).narrow(1, level.back(), 1));
      rows_log_error.push_back(student.log_error.narrow(0, i, 1).narrow(1, level.back(), 1));
    }
    std::vector<at::Tensor> estimates;
    {
      const at::NoGradGuard no_gradients;
      const at::Tensor predicted = teacher_->predict_noise(at::cat(noisy), t);
      for (std::int64_t i = 0; i < batch; ++i)
        estimates.push_back(one_step_estimate(noisy[std::size_t(i)], predicted.narrow(0, i, 1),
                                              alpha_bar(t[std::size_t(i)])));
    }
    const at::Tensor estimate = at::cat(estimates), log_error = at::cat(rows_log_error);
    const at::Tensor s = at::tensor(inverse_scale).view({-1, 1, 1, 1});
    const at::Tensor error = at::avg_pool2d((estimate - pictures).square(), config_.unshuffle);
    const at::Tensor mean_loss = ((at::cat(rows_mean) - estimate) * s).square().mean();
    const at::Tensor error_loss = (error * at::exp(-log_error) + log_error + 2 * s.log()).mean();
    return mean_loss + 0.25 * error_loss;
  }

 private:
  double alpha_bar(int t) const { return teacher_->schedule().alpha_bar[std::size_t(t)]; }

  UNetConfig config_;
  std::vector<int> timesteps_;
  std::shared_ptr<const Denoiser> teacher_;
};

std::vector<int> parsed_timesteps(const std::string& text) {
  const auto levels = parse_levels(text.empty() ? std::string(Parameters{}.levels.view()) : text);
  if (const auto* message = std::get_if<std::string>(&levels))
    throw Error(ErrorCode::invalid_argument, *message);
  const Levels& parsed = std::get<Levels>(levels);
  return {parsed.timestep, parsed.timestep + parsed.count};
}

void check(const TrainingOptions& o, const UNetConfig& config) {
  const auto refuse = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, what); };
  if (o.output.empty()) refuse("training needs the name of a file to write");
  if (o.steps < 1 || o.batch < 1 || o.pool < 1 || o.checkpoint_every < 1)
    refuse("training: steps, batch, pool and checkpoint interval must be 1 or more");
  if (o.patch < 16 || o.patch > PicturePool::picture_size || o.patch % config.multiple() != 0)
    refuse("training: patch must be 16 to " + std::to_string(PicturePool::picture_size) +
           " and a multiple of " + std::to_string(config.multiple()));
  if (!(o.learning_rate > 0) || !(o.average >= 0 && o.average < 1))
    refuse("training: the learning rate must be above 0 and the average's decay in 0..1");
}

std::string record(const TrainingOptions& o, std::int64_t step, double loss, const std::string& before) {
  Json json = {{"steps", step},
               {"of", o.steps},
               {"seed", o.seed},
               {"batch", o.batch},
               {"patch", o.patch},
               {"pool", o.pool},
               {"learning_rate", o.learning_rate},
               {"average", o.average},
               {"loss", loss},
               {"precision", o.bfloat16 ? "bfloat16" : "float32"},
               {"pictures", "dead leaves, generated"}};
  if (!before.empty()) json["started_from"] = Json::parse(before, nullptr, false);
  return json.dump();
}

}  // namespace

void train(const TrainingOptions& o, const std::function<bool(const TrainingProgress&)>& report) {
  const bool student = o.target == TrainingTarget::student;
  const std::vector<int> timesteps = student ? parsed_timesteps(o.levels) : std::vector<int>{};
  const UNetConfig config = !o.config.widths.empty() ? o.config
                            : student                ? student_config(timesteps.size())
                                                     : luma_denoiser_config();
  check(o, config);
  if (student && std::size_t(o.batch) < timesteps.size())
    throw Error(ErrorCode::invalid_argument,
                "training: a student's batch must have a picture for each of its " +
                    std::to_string(timesteps.size()) + " levels");
  const std::string checkpoint = o.checkpoint.empty() ? o.output + ".checkpoint" : o.checkpoint;

  TensorMap weights = initialise_unet(config, generator_for(o.seed, -1));
  std::string record_before;
  if (!o.start.empty()) {
    ModelFile model = read_model_file(o.start, student ? ModelKind::student : ModelKind::denoiser);
    if (model.config != config || model.timesteps != timesteps)
      throw Error(ErrorCode::model, "model file " + o.start + ": its network isn't the one to be trained");
    for (auto& [name, w] : weights) w.copy_(model.weights.at(name));
    record_before = model.training;
  }
  Adam adam(std::move(weights), o.average);
  std::int64_t step = 0;
  if (o.resume && ::access(checkpoint.c_str(), F_OK) == 0) {
    const SafetensorsFile file = read_safetensors(checkpoint);
    const auto saved = file.metadata.find("step");
    if (saved == file.metadata.end())
      throw Error(ErrorCode::model, "checkpoint " + checkpoint + ": it has no step");
    const char* end = saved->second.data() + saved->second.size();
    const auto [stop, error] = std::from_chars(saved->second.data(), end, step);
    if (error != std::errc() || stop != end || step < 0)
      throw Error(ErrorCode::model,
                  "checkpoint " + checkpoint + ": its step \"" + saved->second + "\" is no number of steps");
    adam.restore(file.tensors, step, checkpoint);
  }

  PicturePool pool(o.seed, o.pool, step);
  std::unique_ptr<Objective> objective;
  if (student) {
    objective = std::make_unique<StudentObjective>(
        config, timesteps, open_denoiser(o.teacher, at::kCPU, o.bfloat16 ? at::kBFloat16 : at::kFloat));
  } else {
    objective = std::make_unique<DenoiserObjective>(config, pool.held_out(16, o.patch));
  }

  const auto save = [&](double loss) {
    ModelFile model{student ? ModelKind::student : ModelKind::denoiser, config, adam.average(), timesteps,
                    record(o, step, loss, record_before)};
    write_model_file(o.output, model);
    SafetensorsFile state;
    adam.save(state.tensors);
    state.metadata["step"] = std::to_string(step);
    write_safetensors(checkpoint, state);
  };

  constexpr std::int64_t report_every = 20;
  double loss_sum = 0;
  std::int64_t since = 0;
  auto clock = std::chrono::steady_clock::now();
  while (step < o.steps) {
    const at::Tensor pictures = pool.batch(step, o.batch, o.patch);
    const at::Tensor loss =
        objective->loss(in_precision(adam.weights(), o.bfloat16), pictures, generator_for(o.seed, step));
    const double value = loss.item<double>();
    const auto require_finite = [&](double number, const char* what) {
      if (!std::isfinite(number))
        throw Error(ErrorCode::internal, "training diverged at step " + std::to_string(step) + " (the " +
                                             what + " isn't finite): try a smaller learning rate");
    };
    require_finite(value, "loss");
    loss.backward();
    const double warm = std::min(1.0, double(step + 1) / warm_up_steps);
    const double cosine = 0.5 + 0.5 * std::cos(std::numbers::pi * double(step) / double(o.steps));
    require_finite(adam.step(o.learning_rate * warm * cosine, gradient_clip), "gradient");
    ++step;
    loss_sum += value;
    ++since;
    const bool checkpointing = step % o.checkpoint_every == 0 || step == o.steps;
    if (step % report_every != 0 && !checkpointing) continue;

    TrainingProgress progress{step, o.steps, loss_sum / double(since), 0, {0, 0, 0}, checkpointing};
    const auto now = std::chrono::steady_clock::now();
    progress.seconds_per_step = std::chrono::duration<double>(now - clock).count() / double(since);
    if (checkpointing) {
      const at::NoGradGuard no_gradients;
      objective->validate(adam.average(), progress.psnr);
      save(progress.loss);
    }
    loss_sum = 0;
    since = 0;
    clock = std::chrono::steady_clock::now();
    if (!report(progress)) {
      if (!checkpointing) save(progress.loss);
      return;
    }
  }
}

}  // namespace digfusion
