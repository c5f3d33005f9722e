// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/method.h"

#include <vector>

#include "core/fusion/bands.h"
#include "core/fusion/gradient_method.h"
#include "core/fusion/guided.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

/// Beyond these a graph isn't worth its memory: large networks hide the time in which the host starts their
/// kernels, and a graph holds memory of its own for what is between them; and so do its nodes.
constexpr std::int64_t most_recorded_weights = 100'000'000;
constexpr int most_recorded_evaluations = 100;

/// What methods have in common whose picture depends on its sources alone.
class WithoutPast : public FusionMethod {
 public:
  std::vector<at::Tensor> visible_weights() const override { return weights_; }
  std::uint64_t evaluations() const override { return evaluations_; }
  void recall(std::vector<at::Tensor> weights, std::uint64_t evaluations) override {
    weights_ = std::move(weights);
    evaluations_ = evaluations;
  }

 protected:
  std::vector<at::Tensor> weights_;
  std::uint64_t evaluations_ = 0;
};

class DenoiserMethod : public WithoutPast {
 public:
  explicit DenoiserMethod(std::shared_ptr<const Denoiser> denoiser)
      : denoiser_(std::move(denoiser)), evaluator_(*denoiser_) {}

  std::int64_t multiple() const override { return denoiser_->multiple(); }
  std::int64_t channels() const override { return denoiser_->channels(); }
  bool recordable(const Parameters& p) const override {
    return denoiser_->weight_count() <= most_recorded_weights && p.draws <= most_recorded_evaluations;
  }

 protected:
  std::shared_ptr<const Denoiser> denoiser_;
  Evaluator evaluator_;
};

class Guided : public DenoiserMethod {
 public:
  using DenoiserMethod::DenoiserMethod;

  void check(const Parameters& p) const override {
    if (p.variance == Variance::learned && !denoiser_->learns_variance())
      throw Error(
          ErrorCode::invalid_argument,
          "parameter variance: the model " + model_in_use(p) +
              " has no learned variance; give fixed-small or fixed-large, or a model that was trained "
              "with learn_sigma");
  }

  /// DDFM's correction brings numbers from the host, and its Fourier transforms have memory that LibTorch may
  /// free at any time.
  bool recordable(const Parameters& p) const override {
    return DenoiserMethod::recordable(p) && p.guidance != Guidance::em &&
           p.steps <= most_recorded_evaluations;
  }

  at::Tensor fuse(const at::Tensor& sources, const Parameters& p, const NoiseField& noise) override {
    evaluator_.start();
    std::vector<at::Tensor> weights;
    at::Tensor fused = sample_guided(evaluator_, sources, p, noise, {}, &weights);
    // Of the stretches of steps that share their weights, up to 16.
    const std::size_t every = (weights.size() - 1) / 16 + 1;
    weights_.clear();
    for (std::size_t i = 0; i < weights.size(); i += every) weights_.push_back(weights[i].narrow(0, 0, 1));
    evaluations_ = evaluator_.evaluations();
    return fused;
  }
};

class Bandwise : public DenoiserMethod {
 public:
  using DenoiserMethod::DenoiserMethod;

  at::Tensor fuse(const at::Tensor& sources, const Parameters& p, const NoiseField& noise) override {
    const Levels levels = std::get<Levels>(parse_levels(p.levels.view()));
    const std::span<const int> timesteps(levels.timestep, static_cast<std::size_t>(levels.count));
    evaluator_.start();
    const LevelEstimates estimates =
        estimate_levels(evaluator_, sources, timesteps, p.distance, p.draws, noise);
    at::Tensor weights;
    at::Tensor fused = fuse_bands(sources, estimates.mean, estimates.distance.squeeze(2), p, &weights);
    weights_ = {weights.select(1, 0)};
    evaluations_ = evaluator_.evaluations();
    return fused;
  }
};

class Amortised : public WithoutPast {
 public:
  explicit Amortised(std::shared_ptr<const Student> student) : student_(std::move(student)) {}

  void check(const Parameters& p) const override {
    if (p.distance != Distance::l2 && p.distance != Distance::none)
      throw Error(ErrorCode::invalid_argument,
                  "parameter distance: method amortised has information gains in l2 alone; give l2 or none, "
                  "or another method");
  }

  at::Tensor fuse(const at::Tensor& sources, const Parameters& p, const NoiseField&) override {
    const StudentEstimates estimates = student_->estimate(sources);
    at::Tensor weights;
    // [M,K,1,H,W] and [M,K,H/u,W/u]
    at::Tensor fused = fuse_bands(sources, estimates.mean.transpose(0, 1).unsqueeze(2),
                                  estimates.error.transpose(0, 1), p, &weights);
    weights_ = {weights.select(1, 0)};
    evaluations_ = static_cast<std::uint64_t>(sources.size(0));
    return fused;
  }
  std::int64_t multiple() const override { return student_->multiple(); }
  bool recordable(const Parameters&) const override {
    return student_->weight_count() <= most_recorded_weights;
  }

 private:
  std::shared_ptr<const Student> student_;
};

std::string text(const Path& path) { return std::string(path.view()); }

void check_channels(const Parameters& p, const FusionMethod& method) {
  if (p.channels == Channels::luma || method.channels() == 3) return;
  throw Error(ErrorCode::invalid_argument,
              "parameter channels: rgb needs method=guided or bandwise and a model of three channels; " +
                  std::string(name_of("method", static_cast<int>(p.method))) + " with " + model_in_use(p) +
                  " fuses luma");
}

}  // namespace

std::string gradient_student_file(const Parameters& p) {
  if (!p.student.empty()) return text(p.student);
  // The small one, which most people use, has the plain name.
  std::string name = "gradient-student";
  if (p.student_size != StudentSize::small)
    name += "-" + std::string(name_of("student-size", static_cast<int>(p.student_size)));
  return embedded_model(name);
}

std::shared_ptr<const Denoiser> denoiser_of(const Parameters& p, at::Device device, at::ScalarType dtype) {
  return open_denoiser(text(p.model), device, dtype, text(p.model_config));
}

std::shared_ptr<const GradientStudent> gradient_student_of(const Parameters& p, at::Device device,
                                                           at::ScalarType dtype) {
  return open_gradient_student(gradient_student_file(p), device, dtype);
}

std::unique_ptr<FusionMethod> make_method(const Parameters& p, at::Device device, at::ScalarType dtype) {
  std::unique_ptr<FusionMethod> method;
  switch (p.method) {
    case Method::guided:
      method = std::make_unique<Guided>(denoiser_of(p, device, dtype));
      break;
    case Method::bandwise:
      method = std::make_unique<Bandwise>(denoiser_of(p, device, dtype));
      break;
    case Method::amortised:
      method = std::make_unique<Amortised>(open_student(text(p.student), device, dtype));
      break;
    case Method::gradient:
      method = make_gradient_method(p, device, dtype);
      break;
  }
  check_channels(p, *method);
  method->check(p);
  return method;
}

NetworkKind network_of(const Parameters& p) {
  switch (p.method) {
    case Method::guided:
    case Method::bandwise:
      return NetworkKind::denoiser;
    case Method::amortised:
      return NetworkKind::student;
    case Method::gradient:
      break;
  }
  switch (p.evidence) {
    case EvidenceSource::student:
      return NetworkKind::gradient_student;
    case EvidenceSource::teacher:
      return NetworkKind::denoiser;
    case EvidenceSource::gradient:
    case EvidenceSource::scale_space:
      break;
  }
  return NetworkKind::none;
}

std::string model_in_use(const Parameters& p) {
  switch (network_of(p)) {
    case NetworkKind::student:
      return p.student.empty() ? embedded_model("student") : text(p.student);
    case NetworkKind::gradient_student:
      return gradient_student_file(p);
    case NetworkKind::denoiser:
      return p.model.empty() ? embedded_model("denoiser") : text(p.model);
    case NetworkKind::none:
      break;
  }
  return {};
}

}  // namespace digfusion
