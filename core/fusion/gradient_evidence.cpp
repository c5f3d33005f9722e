// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_evidence.h"

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "core/denoiser/gradient_student.h"
#include "core/diffusion/steps.h"
#include "core/fusion/method.h"
#include "core/fusion/stream_batch.h"
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
  /// streams: of a batch, parameters.batch_streams.
  StudentEvidence(std::shared_ptr<const GradientStudent> student, int streams)
      : student_(std::move(student)) {
    if (streams > 1) batch_.emplace(student_, streams);
  }

  void check(const Parameters& p) const override {
    if (p.distance != Distance::l2)
      throw Error(
          ErrorCode::invalid_argument,
          "parameter distance: the student of method gradient has information gains in l2 alone; give "
          "l2, or evidence=teacher, or another method");
  }

  Evidence gather(const at::Tensor& sources, const Parameters& p, const NoiseField&) override {
    const std::vector<NoiseLevel> levels = levels_.of(sources, p);
    const GradientEstimates estimates =
        batch_ ? batch_->estimate(sources, levels, p.batch_wait) : student_->estimate(sources, levels);
    evaluations_ = static_cast<std::uint64_t>(sources.size(0));
    return {estimates.clean, estimates.error};
  }
  std::int64_t multiple() const override { return student_->multiple(); }
  std::uint64_t evaluations() const override { return evaluations_; }

 private:
  std::shared_ptr<const GradientStudent> student_;
  std::optional<StreamBatch> batch_;
  std::uint64_t evaluations_ = 0;
};

class TeacherEvidence : public EvidenceMaker {
 public:
  explicit TeacherEvidence(std::shared_ptr<const Denoiser> denoiser)
      : denoiser_(std::move(denoiser)), evaluator_(*denoiser_) {}

  void check(const Parameters& p) const override {
    if (p.distance == Distance::none)
      throw Error(ErrorCode::invalid_argument,
                  "parameter distance: with none there is no information gain; give another, or "
                  "evidence=gradient");
  }

  Evidence gather(const at::Tensor& sources, const Parameters& p, const NoiseField& noise) override {
    evaluator_.start();
    const at::Tensor clean = without_noise(sources, levels_.of(sources, p));
    const at::Tensor distance =
        estimate_levels(evaluator_, clean, evidence_timesteps, p.distance, p.draws, noise).distance;
    return {clean, distance.squeeze(2).transpose(0, 1)};
  }
  std::int64_t multiple() const override { return denoiser_->multiple(); }
  std::uint64_t evaluations() const override { return evaluator_.evaluations(); }

 private:
  /// A picture with noise of σ is x_t/√ᾱ_t of the picture without it, at the timestep whose noise is σ; a
  /// column pattern is taken for white noise.
  at::Tensor without_noise(const at::Tensor& sources, const std::vector<NoiseLevel>& levels) {
    const NoiseSchedule& schedule = denoiser_->schedule();
    std::vector<std::int64_t> noisy;
    std::vector<int> t;
    std::vector<at::Tensor> xt;
    for (std::size_t k = 0; k < levels.size(); ++k) {
      if (levels[k].total() == 0) continue;
      noisy.push_back(std::int64_t(k));
      t.push_back(schedule.timestep_of(levels[k].total() / 127.5));
      xt.push_back(sources.narrow(0, noisy.back(), 1) * std::sqrt(evaluator_.alpha_bar(t.back())));
    }
    if (noisy.empty()) return sources;
    const at::Tensor predicted = evaluator_.predict_noise(at::cat(xt), t);
    at::Tensor clean = sources.clone();
    for (std::size_t i = 0; i < noisy.size(); ++i)
      clean.narrow(0, noisy[i], 1)
          .copy_(one_step_estimate(xt[i], predicted.narrow(0, std::int64_t(i), 1), evaluator_.alpha_bar(t[i]))
                     .clamp_(-1, 1));
    return clean;
  }

  std::shared_ptr<const Denoiser> denoiser_;
  Evaluator evaluator_;
};

}  // namespace

std::unique_ptr<EvidenceMaker> make_evidence(const Parameters& p, at::Device device, at::ScalarType dtype) {
  switch (p.evidence) {
    case EvidenceSource::gradient:
      break;
    case EvidenceSource::scale_space:
      return std::make_unique<ScaleSpace>();
    case EvidenceSource::student:
      return std::make_unique<StudentEvidence>(gradient_student_of(p, device, dtype), p.batch_streams);
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
