// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_method.h"

#include <optional>
#include <utility>

#include "core/fusion/gradient.h"
#include "core/fusion/gradient_evidence.h"
#include "core/interface/error.h"

namespace digfusion {

GradientRule rule_of(const Parameters& p) {
  GradientRule rule;
  rule.gain *= p.gradient_gain;
  rule.hot_base *= p.hot_targets;
  rule.hot_weight *= p.hot_targets;
  rule.still_share = 1 - p.steadiness;
  return rule;
}

namespace {

class Gradient : public FusionMethod {
 public:
  explicit Gradient(std::unique_ptr<EvidenceMaker> maker) : maker_(std::move(maker)) {}

  void check(const Parameters& p) const override { maker_->check(p); }

  at::Tensor fuse(const at::Tensor& sources, const Parameters& p, const NoiseField& noise) override {
    // A picture made from other evidence has no past.
    if (before_ &&
        (p.noise != before_->noise || p.draws != before_->draws || p.distance != before_->distance))
      reset();
    before_ = p;
    laps_.start();
    const Evidence evidence = maker_->gather(sources, p, noise);
    laps_.mark("evidence");
    return fusion_.fuse(evidence, rule_of(p), p.adaptation, &laps_);
  }
  void reset() override {
    maker_->reset();
    fusion_.reset();
  }
  std::function<void()> keep_past() override {
    return [this, past = fusion_.past(), levels = maker_->levels(), before = before_]() mutable {
      fusion_.set_past(std::move(past));
      maker_->set_levels(std::move(levels));
      before_ = before;
    };
  }
  void inherit(FusionMethod& before) override {
    if (auto* other = dynamic_cast<Gradient*>(&before)) {
      fusion_ = std::move(other->fusion_);
      before_ = std::move(other->before_);
      maker_->inherit(*other->maker_);
    }
  }
  std::vector<at::Tensor> visible_weights() const override {
    const at::Tensor& weights = fusion_.weights();
    if (!weights.defined()) return {};
    return {weights.narrow(0, 0, 1)};
  }
  std::int64_t multiple() const override { return maker_->multiple(); }
  std::uint64_t evaluations() const override { return maker_->evaluations(); }
  std::span<const Lap> laps() const override { return laps_.all(); }

 private:
  std::unique_ptr<EvidenceMaker> maker_;
  GradientFusion fusion_;
  Laps laps_;
  std::optional<Parameters> before_;  ///< of the last picture
};

}  // namespace

std::unique_ptr<FusionMethod> make_gradient_method(const Parameters& p, at::Device device,
                                                   at::ScalarType dtype) {
  return std::make_unique<Gradient>(make_evidence(p, device, dtype));
}

}  // namespace digfusion
