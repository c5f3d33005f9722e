// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_evidence.h"

#include <string>
#include <vector>

#include "core/fusion/method.h"
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
  explicit StudentEvidence(std::shared_ptr<const Student> student) : student_(std::move(student)) {
    const std::vector<int>& trained = student_->timesteps();
    for (std::size_t i = 0; i < trained.size(); ++i)
      if (trained[i] <= evidence_timesteps[0]) levels_.push_back(static_cast<std::int64_t>(i));
    if (levels_.empty())
      throw Error(
          ErrorCode::invalid_argument,
          "parameter student: method=gradient needs a student that was trained for a noise level of " +
              std::to_string(evidence_timesteps[0]) + " or less; give another, or evidence=teacher");
  }

  void check(const Parameters& p) const override {
    if (p.distance != Distance::l2)
      throw Error(
          ErrorCode::invalid_argument,
          "parameter distance: the student of method gradient has information gains in l2 alone; give "
          "l2, or evidence=teacher, or another method");
  }

  Evidence gather(const at::Tensor& sources, const Parameters&, const NoiseField&) override {
    const at::Tensor errors = student_->estimate(sources).error;
    evaluations_ = static_cast<std::uint64_t>(sources.size(0));
    std::vector<at::Tensor> chosen;
    for (const std::int64_t level : levels_) chosen.push_back(errors.select(1, level));
    return {sources, at::stack(chosen, 1)};
  }
  std::int64_t multiple() const override { return student_->multiple(); }
  std::uint64_t evaluations() const override { return evaluations_; }

 private:
  std::shared_ptr<const Student> student_;
  std::vector<std::int64_t> levels_;
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
    const at::Tensor distance =
        estimate_levels(evaluator, sources, evidence_timesteps, p.distance, p.draws, noise).distance;
    evaluations_ = evaluator.evaluations();
    return {sources, distance.squeeze(2).transpose(0, 1)};
  }
  std::int64_t multiple() const override { return denoiser_->multiple(); }
  std::uint64_t evaluations() const override { return evaluations_; }

 private:
  std::shared_ptr<const Denoiser> denoiser_;
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
      return std::make_unique<StudentEvidence>(open_student(std::string(p.student.view()), device, dtype));
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
