// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/training/objective.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <utility>

#include "core/denoiser/gradient_student.h"
#include "core/denoiser/student.h"
#include "core/diffusion/steps.h"
#include "core/training/sensor_noise.h"

namespace digfusion {

at::Generator generator_for(std::uint64_t seed, std::int64_t step) {
  return at::detail::createCPUGenerator(seed * 1000003 + std::uint64_t(step));
}

namespace {

constexpr double validation_sigmas[3] = {10, 22, 50};

double psnr_of(const at::Tensor& estimate, const at::Tensor& clean) {
  return -10 * std::log10((estimate.clamp(-1, 1) - clean).square().mean().item<double>() / 4);
}

at::Tensor validation_noise(const at::Tensor& pictures, int number) {
  return at::randn(pictures.sizes(), generator_for(12345, number)) * (validation_sigmas[number] / 127.5);
}

/// σ of a batch: log-normal as EDM's, with a fifth spread evenly over the timesteps so that none goes unseen.
at::Tensor sample_sigmas(const NoiseSchedule& schedule, int batch, at::Generator generator) {
  at::Tensor sigma = at::randn({batch}, generator).mul_(1.2).add_(-1.2).exp_();
  auto* s = sigma.data_ptr<float>();
  for (int i = 0; i < batch; i += 5)
    s[i] = float(schedule.sigma(int(at::randint(schedule.timesteps(), {1}, generator).item<std::int64_t>())));
  return sigma.clamp_(schedule.sigma(0), schedule.sigma(schedule.timesteps() - 1));
}

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
    for (int i = 0; i < 3; ++i) {
      const at::Tensor levels =
          at::full({held_out_.size(0)}, validation_sigmas[i] / 127.5, held_out_.options());
      psnr[i] = psnr_of(luma_denoise(config_, weights, held_out_ + validation_noise(held_out_, i), levels),
                        held_out_);
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
      : config_(config),
        timesteps_(std::move(timesteps)),
        scales_(timesteps_, at::kCPU),
        teacher_(std::move(teacher)) {}

  at::Tensor loss(const TensorMap& weights, const at::Tensor& pictures, at::Generator generator) override {
    const std::int64_t batch = pictures.size(0), levels = std::int64_t(timesteps_.size());
    // Each picture of the batch stands at one of the levels.
    std::vector<int> t;
    std::vector<std::int64_t> level;
    std::vector<float> inverse_scale;
    std::vector<at::Tensor> noisy, rows_mean, rows_log_error;
    const StudentOutputs student = student_forward(config_, weights, pictures, scales_);
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
  StudentScales scales_;
  std::shared_ptr<const Denoiser> teacher_;
};

/// The clean picture, weighted as EDM does, so that every level counts; and the error maps as
/// StudentObjective's, for the first pictures of a batch only: the teacher costs more than the student.
class GradientStudentObjective : public Objective {
 public:
  GradientStudentObjective(const UNetConfig& config, std::vector<int> timesteps,
                           std::shared_ptr<const Denoiser> teacher, at::Tensor held_out)
      : config_(config),
        timesteps_(std::move(timesteps)),
        teacher_(std::move(teacher)),
        held_out_(std::move(held_out)) {}

  at::Tensor loss(const TensorMap& weights, const at::Tensor& pictures, at::Generator generator) override {
    const std::int64_t batch = pictures.size(0), levels = std::int64_t(timesteps_.size());
    const SensorNoise made = sensor_noise(pictures, generator);
    std::vector<std::int64_t> noisy;
    for (std::int64_t i = 0; i < batch; ++i)
      if (made.level[std::size_t(i)].total() > 0) noisy.push_back(i);
    const GradientStudentOutputs out =
        gradient_student_forward(config_, weights, made.noisy, made.level, timesteps_, noisy);

    at::Tensor loss = at::zeros({});
    for (std::size_t row = 0; row < noisy.size(); ++row) {
      const std::int64_t i = noisy[row];
      const double strength = (made.noisy[i] - made.clean[i]).square().mean().item<double>();
      const double weight = 1 / strength + 127.5 * 127.5 / (fine_structure * fine_structure);
      loss = loss + (out.clean[std::int64_t(row)] - made.clean[i]).square().mean() * weight;
    }
    loss = loss / double(batch);

    const std::int64_t taught = std::max(levels, batch * 3 / 8);
    std::vector<int> t;
    std::vector<float> offset;
    std::vector<at::Tensor> at_level, log_errors;
    for (std::int64_t i = 0; i < taught; ++i) {
      const std::int64_t level = i * levels / taught;
      t.push_back(timesteps_[std::size_t(level)]);
      offset.push_back(float(2 * std::log(typical_error(t.back()))));
      const at::Tensor clean = made.clean.narrow(0, i, 1);
      at_level.push_back(add_noise(clean, at::randn(clean.sizes(), generator), alpha_bar(t.back())));
      log_errors.push_back(out.log_error.narrow(0, i, 1).narrow(1, level, 1));
    }
    std::vector<at::Tensor> errors;
    {
      const at::NoGradGuard no_gradients;
      const at::Tensor predicted = teacher_->predict_noise(at::cat(at_level), t);
      for (std::int64_t i = 0; i < taught; ++i) {
        const at::Tensor estimate = one_step_estimate(at_level[std::size_t(i)], predicted.narrow(0, i, 1),
                                                      alpha_bar(t[std::size_t(i)]));
        errors.push_back(
            at::avg_pool2d((estimate - made.clean.narrow(0, i, 1)).square(), 2 * config_.unshuffle));
      }
    }
    const at::Tensor error = at::cat(errors), log_error = at::cat(log_errors);
    const at::Tensor offsets = at::tensor(offset).view({-1, 1, 1, 1});
    return loss + 0.25 * (error * at::exp(-log_error) + log_error - offsets).mean();
  }

  void validate(const TensorMap& weights, double (&psnr)[3]) override {
    std::vector<std::int64_t> all;
    for (std::int64_t i = 0; i < held_out_.size(0); ++i) all.push_back(i);
    for (int i = 0; i < 3; ++i) {
      const std::vector<NoiseLevel> level(all.size(), NoiseLevel{validation_sigmas[i], 0});
      const at::Tensor noisy = held_out_ + validation_noise(held_out_, i);
      psnr[i] =
          psnr_of(gradient_student_forward(config_, weights, noisy, level, timesteps_, all).clean, held_out_);
    }
  }

 private:
  double alpha_bar(int t) const { return teacher_->schedule().alpha_bar[std::size_t(t)]; }

  UNetConfig config_;
  std::vector<int> timesteps_;
  std::shared_ptr<const Denoiser> teacher_;
  at::Tensor held_out_;
};

}  // namespace

std::unique_ptr<Objective> denoiser_objective(const UNetConfig& config, at::Tensor held_out) {
  return std::make_unique<DenoiserObjective>(config, std::move(held_out));
}

std::unique_ptr<Objective> student_objective(const UNetConfig& config, std::vector<int> timesteps,
                                             std::shared_ptr<const Denoiser> teacher) {
  return std::make_unique<StudentObjective>(config, std::move(timesteps), std::move(teacher));
}

std::unique_ptr<Objective> gradient_student_objective(const UNetConfig& config, std::vector<int> timesteps,
                                                      std::shared_ptr<const Denoiser> teacher,
                                                      at::Tensor held_out) {
  return std::make_unique<GradientStudentObjective>(config, std::move(timesteps), std::move(teacher),
                                                    std::move(held_out));
}

}  // namespace digfusion
