// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_evidence.h"

#include <cmath>
#include <string>
#include <vector>

#include "core/denoiser/gradient_student.h"
#include "core/diffusion/steps.h"
#include "core/fusion/method.h"
#include "core/fusion/noise_levels.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

class EnergyAlone : public EvidenceMaker {
 public:
  Evidence gather(const at::Tensor& sources, const Parameters&, const NoiseField&) override {
    return {sources, {}};
  }
};

class ScaleSpace : public EvidenceMaker {
 public:
  Evidence gather(const at::Tensor& sources, const Parameters&, const NoiseField&) override {
    return {sources, scale_space_errors(sources)};
  }
};

class StudentEvidence : public EvidenceMaker {
 public:
  explicit StudentEvidence(std::shared_ptr<const GradientStudent> student) : student_(std::move(student)) {}

  void check(const Parameters& p) const override {
    if (p.distance != Distance::l2)
      throw Error(
          ErrorCode::invalid_argument,
          "parameter distance: the student of method gradient has information gains in l2 alone; give "
          "l2, or evidence=teacher, or another method");
  }

  Evidence gather(const at::Tensor& sources, const Parameters& p, const NoiseField&) override {
    const GradientEstimates estimates = student_->estimate(sources, levels_.of(sources, p));
    evaluations_ = static_cast<std::uint64_t>(sources.size(0));
    return {estimates.clean, estimates.error};
  }
  void reset() override { levels_.reset(); }
  std::int64_t multiple() const override { return student_->multiple(); }
  std::uint64_t evaluations() const override { return evaluations_; }

 private:
  std::shared_ptr<const GradientStudent> student_;
  NoiseLevels levels_;
  std::uint64_t evaluations_ = 0;
};

class TeacherEvidence : public EvidenceMaker {
 public:
  explicit TeacherEvidence(std::shared_ptr<const Denoiser> denoiser) : denoiser_(std::move(denoiser)) {}

  void check(const Parameters& p) const override {
    if (p.distance == Distance::none)
      throw Error(ErrorCode::invalid_argument,
                  "parameter distance: with none there is no information gain; give another, or "
                  "evidence=gradient");
  }

  Evidence gather(const at::Tensor& sources, const Parameters& p, const NoiseField& noise) override {
    Evaluator evaluator(*denoiser_);
    const at::Tensor clean = without_noise(evaluator, sources, levels_.of(sources, p));
    const at::Tensor distance =
        estimate_levels(evaluator, clean, evidence_timesteps, p.distance, p.draws, noise).distance;
    evaluations_ = evaluator.evaluations();
    return {clean, distance.squeeze(2).transpose(0, 1)};
  }
  void reset() override { levels_.reset(); }
  std::int64_t multiple() const override { return denoiser_->multiple(); }
  std::uint64_t evaluations() const override { return evaluations_; }

 private:
  /// A picture with noise of σ is x_t/√ᾱ_t of the picture without it, at the timestep whose noise is σ; a
  /// column pattern is taken for white noise.
  at::Tensor without_noise(Evaluator& evaluator, const at::Tensor& sources,
                           const std::vector<NoiseLevel>& levels) const {
    at::Tensor clean = sources;
    for (std::size_t k = 0; k < levels.size(); ++k) {
      if (levels[k].total() == 0) continue;
      if (clean.is_same(sources)) clean = sources.clone();
      const NoiseSchedule& schedule = denoiser_->schedule();
      const int t = schedule.timestep_of(levels[k].total() / 127.5);
      const double alpha_bar = schedule.alpha_bar[std::size_t(t)];
      const at::Tensor xt = sources.narrow(0, std::int64_t(k), 1) * std::sqrt(alpha_bar);
      clean.narrow(0, std::int64_t(k), 1)
          .copy_(one_step_estimate(xt, evaluator.predict_noise(xt, {&t, 1}), alpha_bar).clamp_(-1, 1));
    }
    return clean;
  }

  std::shared_ptr<const Denoiser> denoiser_;
  NoiseLevels levels_;
  std::uint64_t evaluations_ = 0;
};

}  // namespace

std::unique_ptr<EvidenceMaker> make_evidence(const Parameters& p, at::Device device, at::ScalarType dtype) {
  switch (p.evidence) {
    case EvidenceSource::gradient:
      break;
    case EvidenceSource::scale_space:
      return std::make_unique<ScaleSpace>();
    case EvidenceSource::student:
      return std::make_unique<StudentEvidence>(gradient_student_of(p, device, dtype));
    case EvidenceSource::teacher:
      return std::make_unique<TeacherEvidence>(denoiser_of(p, device, dtype));
  }
  return std::make_unique<EnergyAlone>();
}

at::Tensor scale_space_errors(const at::Tensor& sources) {
  std::vector<at::Tensor> errors;
  for (const double sigma : {4.0, 2.0, 1.0})
    errors.push_back((sources - gaussian_blur(sources, sigma)).square_());
  return at::cat(errors, 1);
}

}  // namespace digfusion
