// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/training/trainer.h"

#include <ATen/core/grad_mode.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/denoiser/denoiser.h"
#include "core/denoiser/gradient_student.h"
#include "core/denoiser/model_file.h"
#include "core/denoiser/registry.h"
#include "core/denoiser/student.h"
#include "core/interface/error.h"
#include "core/training/adam.h"
#include "core/training/objective.h"
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

std::vector<int> timesteps_of(const TrainingOptions& o) {
  if (o.target == ModelKind::denoiser) return {};
  if (o.target == ModelKind::gradient_student && o.levels.empty()) return gradient_student_timesteps();
  const auto levels = parse_levels(o.levels.empty() ? std::string(Parameters{}.levels.view()) : o.levels);
  if (const auto* message = std::get_if<std::string>(&levels))
    throw Error(ErrorCode::invalid_argument, *message);
  const Levels& parsed = std::get<Levels>(levels);
  return {parsed.timestep, parsed.timestep + parsed.count};
}

UNetConfig embedded_config(ModelKind target, std::size_t levels) {
  switch (target) {
    case ModelKind::student:
      return student_config(levels);
    case ModelKind::gradient_student:
      return gradient_student_config(levels);
    default:
      return luma_denoiser_config();
  }
}

UNetConfig config_of(const TrainingOptions& o, std::size_t levels) {
  if (!o.config.widths.empty()) return o.config;
  UNetConfig config = embedded_config(o.target, levels);
  if (o.widths.empty()) return config;
  bool positive = true;
  for (const std::int64_t width : o.widths) positive = positive && width >= 1 && width <= 1024;
  if (!positive || o.widths.size() != config.widths.size())
    throw Error(ErrorCode::invalid_argument, "training: widths must be " +
                                                 std::to_string(config.widths.size()) +
                                                 " numbers of channels from 1 to 1024");
  config.widths = o.widths;
  return config;
}

std::unique_ptr<Objective> objective_of(const TrainingOptions& o, const UNetConfig& config,
                                        const std::vector<int>& timesteps, const PicturePool& pool) {
  constexpr int held_out = 16;
  if (o.target == ModelKind::denoiser) return denoiser_objective(config, pool.held_out(held_out, o.patch));
  auto teacher = open_denoiser(o.teacher, at::kCPU, o.bfloat16 ? at::kBFloat16 : at::kFloat);
  if (o.target == ModelKind::student) return student_objective(config, timesteps, std::move(teacher));
  return gradient_student_objective(config, timesteps, std::move(teacher), pool.held_out(held_out, o.patch));
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
  const std::vector<int> timesteps = timesteps_of(o);
  const UNetConfig config = config_of(o, timesteps.size());
  check(o, config);
  if (std::size_t(o.batch) < timesteps.size())
    throw Error(ErrorCode::invalid_argument,
                "training: a student's batch must have a picture for each of its " +
                    std::to_string(timesteps.size()) + " levels");
  const std::string checkpoint = o.checkpoint.empty() ? o.output + ".checkpoint" : o.checkpoint;

  TensorMap weights = initialise_unet(config, generator_for(o.seed, -1));
  std::string record_before;
  if (!o.start.empty()) {
    ModelFile model = read_model_file(o.start, o.target);
    // What the two networks have in common; the rest stays as initialised.
    bool any = false;
    for (auto& [name, w] : weights)
      if (const auto found = model.weights.find(name);
          found != model.weights.end() && found->second.sizes() == w.sizes()) {
        w.copy_(found->second);
        any = true;
      }
    if (!any || model.timesteps != timesteps)
      throw Error(ErrorCode::model,
                  "model file " + o.start + ": its network has nothing in common with the one to be trained");
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
  const std::unique_ptr<Objective> objective = objective_of(o, config, timesteps, pool);

  const auto save = [&](double loss) {
    ModelFile model{o.target, config, adam.average(), timesteps, record(o, step, loss, record_before)};
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
