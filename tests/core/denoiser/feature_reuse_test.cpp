// SPDX-License-Identifier: LGPL-2.1-or-later
//
// DeepCache: features of the deep layers, handed from one evaluation to the next.
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "core/denoiser/adm_denoiser.h"
#include "core/fusion/guided.h"
#include "tests/core/denoiser/adm_files.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/fusion/fake_denoiser.h"

namespace digfusion {
namespace {

/// Every weight random, so that the deep layers matter.
std::unique_ptr<Denoiser> luma_denoiser(std::vector<std::int64_t> widths = {4, 6, 8}) {
  UNetConfig config = tiny_denoiser().config;
  config.widths = std::move(widths);
  TensorMap weights = initialise_unet(config, at::detail::createCPUGenerator(1));
  std::uint64_t seed = 1;
  for (auto& [name, w] : weights) w = random_tensor(w.sizes(), ++seed) * 0.3;
  return std::make_unique<LumaDenoiser>(config, std::move(weights));
}

std::unique_ptr<Denoiser> adm_denoiser(bool resblock_updown,
                                       std::vector<std::int64_t> widths = {32, 64, 32}) {
  AdmConfig config = tiny_adm_config();
  config.attention.assign(widths.size(), true);
  config.widths = std::move(widths);
  config.resblock_updown = config.scale_shift_norm = resblock_updown;
  return std::make_unique<AdmDenoiser>(config, random_adm(config, 3));
}

std::vector<std::unique_ptr<Denoiser>> denoisers() {
  std::vector<std::unique_ptr<Denoiser>> all;
  all.push_back(luma_denoiser());
  all.push_back(adm_denoiser(true));
  all.push_back(adm_denoiser(false));
  return all;
}

at::Tensor largest(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max() / b.abs().max(); }

TEST(FeatureReuse, WithFeaturesOfItsOwnAnEvaluationIsTheSameToTheBit) {
  const c10::InferenceMode inference;
  const std::vector<int> t = {900, 40};
  for (const auto& denoiser : denoisers()) {
    const at::Tensor x = random_tensor({2, 1, 32, 48}, 7);
    const Prediction whole = denoiser->predict(x, t);
    at::Tensor deep;
    const Prediction first = denoiser->predict_reusing(x, t, deep);
    ASSERT_TRUE(deep.defined());
    EXPECT_EQ(deep.size(0), 2);
    const at::Tensor kept = deep.clone();
    const Prediction again = denoiser->predict_reusing(x, t, deep);
    EXPECT_TRUE(at::equal(first.noise, whole.noise));
    EXPECT_TRUE(at::equal(again.noise, whole.noise));
    EXPECT_TRUE(at::equal(deep, kept));  // nobody wrote over them
    if (denoiser->learns_variance()) {
      EXPECT_TRUE(at::equal(again.variance, whole.variance));
    }
  }
}

TEST(FeatureReuse, TheDeepLayersArentEvaluatedAgain) {
  const c10::InferenceMode inference;
  const int t = 300, later = 250;
  for (const auto& denoiser : denoisers()) {
    const at::Tensor x = random_tensor({1, 1, 32, 32}, 7), y = random_tensor({1, 1, 32, 32}, 8);
    at::Tensor deep_of_x, deep_of_y;
    (void)denoiser->predict_reusing(x, {&t, 1}, deep_of_x);
    const Prediction whole = denoiser->predict_reusing(y, {&later, 1}, deep_of_y);
    const Prediction reused = denoiser->predict_reusing(y, {&later, 1}, deep_of_x);
    // Other features give another result: what is below the finest level came from them alone.
    EXPECT_GT(largest(reused.noise, whole.noise).item<double>(), 1e-4);
    EXPECT_TRUE(at::equal(denoiser->predict_reusing(y, {&later, 1}, deep_of_y).noise, whole.noise));
    EXPECT_TRUE(at::isfinite(reused.noise).all().item<bool>());
  }
}

TEST(FeatureReuse, APicturesFeaturesArentItsNeighbours) {
  const c10::InferenceMode inference;
  const std::vector<int> t = {500, 500, 500}, later = {450, 450, 450};
  for (const auto& denoiser : denoisers()) {
    const at::Tensor x = random_tensor({3, 1, 16, 32}, 7), y = random_tensor({3, 1, 16, 32}, 9);
    at::Tensor deep;
    (void)denoiser->predict_reusing(x, t, deep);
    const at::Tensor together = denoiser->predict_reusing(y, later, deep).noise;
    for (int i = 0; i < 3; ++i) {
      at::Tensor alone;
      (void)denoiser->predict_reusing(x.narrow(0, i, 1), {&t[0], 1}, alone);
      const at::Tensor noise = denoiser->predict_reusing(y.narrow(0, i, 1), {&later[0], 1}, alone).noise;
      EXPECT_LT(largest(noise, together.narrow(0, i, 1)).item<double>(), 1e-5);
    }
  }
}

TEST(FeatureReuse, ANetworkOfOneScaleIsEvaluatedWhole) {
  const c10::InferenceMode inference;
  const int t = 300;
  std::vector<std::unique_ptr<Denoiser>> flat;
  flat.push_back(luma_denoiser({4}));
  flat.push_back(adm_denoiser(false, {32}));
  for (const auto& denoiser : flat) {
    const at::Tensor x = random_tensor({1, 1, 16, 16}, 7);
    at::Tensor deep;
    EXPECT_TRUE(
        at::equal(denoiser->predict_reusing(x, {&t, 1}, deep).noise, denoiser->predict_noise(x, {&t, 1})));
    EXPECT_FALSE(deep.defined());
  }
}

/// Remembers which of its evaluations were handed features. Its feature is the number of the evaluation.
class NotingDenoiser : public FakeDenoiser {
 public:
  Prediction predict(const at::Tensor& xt, std::span<const int> t) const override {
    calls.push_back('w');
    return FakeDenoiser::predict(xt, t);
  }
  Prediction predict_reusing(const at::Tensor& xt, std::span<const int> t, at::Tensor& deep) const override {
    if (int(t.size()) > fits) throw std::bad_alloc();
    calls.push_back(deep.defined() ? 'r' : 'f');
    if (!deep.defined()) deep = xt.clone();
    given.push_back(deep);
    return FakeDenoiser::predict(xt, t);
  }
  mutable std::string calls;              // whole without a cache, filled, reused
  mutable std::vector<at::Tensor> given;  // features of each evaluation that had or made some
  int fits = 100;
};

TEST(FeatureReuse, SamplingFillsEveryNthStepAndTheGainTakesNoPart) {
  Parameters p;
  p.method = Method::guided;
  p.steps = 7;
  p.interval = 3;
  const at::Tensor sources = random_pictures(2, 16, 16, 1);
  for (const auto& [reuse, calls] : {std::pair(1, "wwwwwwww"), std::pair(2, "wfrfrfrf"),
                                     std::pair(3, "wfrrfrrf"), std::pair(10, "wfrrrrrr")}) {
    p.feature_reuse = reuse;
    const NotingDenoiser denoiser;
    Evaluator evaluator(denoiser);
    (void)sample_guided(evaluator, sources, p, fake_noise);
    EXPECT_EQ(denoiser.calls, calls);
  }
}

TEST(FeatureReuse, BatchesThatAreHalvedKeepTheirRows) {
  NotingDenoiser denoiser;
  denoiser.fits = 2;
  Evaluator evaluator(denoiser);
  const at::Tensor x = random_pictures(5, 16, 16, 1);
  const std::vector<int> t = {1, 2, 3, 4, 5};
  at::Tensor deep;
  (void)evaluator.predict(x, t, &deep);
  EXPECT_TRUE(at::equal(deep, x));
  denoiser.given.clear();
  (void)evaluator.predict(x * 2, t, &deep);
  EXPECT_TRUE(at::equal(at::cat(denoiser.given), x));
}

TEST(FeatureReuse, OfOneStepIsTheSamplingItself) {
  const c10::InferenceMode inference;
  Parameters p;
  p.method = Method::guided;
  p.steps = 4;
  const at::Tensor sources = random_pictures(2, 16, 16, 1);
  for (const auto& denoiser : denoisers()) {
    Evaluator evaluator(*denoiser);
    p.feature_reuse = 1;
    const at::Tensor plain = sample_guided(evaluator, sources, p, fake_noise);
    p.feature_reuse = 3;
    const at::Tensor reused = sample_guided(evaluator, sources, p, fake_noise);
    EXPECT_FALSE(at::equal(plain, reused));
    EXPECT_TRUE(at::isfinite(reused).all().item<bool>());
    p.feature_reuse = 1;
    EXPECT_TRUE(at::equal(sample_guided(evaluator, sources, p, fake_noise), plain));
  }
}

}  // namespace
}  // namespace digfusion
