// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/fuser.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/fusion/bands.h"
#include "core/fusion/gradient_evidence.h"
#include "core/fusion/noise_levels.h"
#include "core/fusion/tone.h"
#include "core/interface/error.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

constexpr Method methods[] = {Method::guided, Method::bandwise, Method::amortised, Method::gradient};

/// With the embedded models.
Parameters small_parameters(Method method) {
  Parameters p;
  p.method = method;
  p.device = Word("cpu");
  p.precision = Precision::float32;
  p.steps = 3;
  p.interval = 2;
  p.draws = 2;
  return p;
}

/// For what doesn't depend on a network's skill.
class TinyFuser : public testing::Test {
 protected:
  TinyFuser() {
    write_model_file(folder.path / "denoiser", tiny_denoiser());
    write_model_file(folder.path / "student", tiny_student());
    write_model_file(folder.path / "gradient-student", tiny_gradient_student());
  }
  Parameters tiny_parameters(Method method) const {
    Parameters p = small_parameters(method);
    p.model = Path((folder.path / "denoiser").string());
    p.student = Path((folder.path / (method == Method::gradient ? "gradient-student" : "student")).string());
    return p;
  }
  const TemporaryFolder folder;
};

at::Tensor fuse(const Parameters& p, const at::Tensor& sources) {
  Fuser fuser(p, [](const std::string& message) { FAIL() << message; });
  return fuser.fuse(sources);
}

TEST_F(TinyFuser, FusesAnySizeAndCount) {
  for (const Method method : methods) {
    Fuser fuser(tiny_parameters(method), [](const std::string&) {});
    for (const auto& [count, height, width] :
         {std::tuple(2, 16, 16), std::tuple(3, 33, 47), std::tuple(2, 17, 64), std::tuple(8, 16, 31)}) {
      const at::Tensor fused = fuser.fuse(random_pictures(count, height, width, 1));
      ASSERT_EQ(fused.sizes(), at::IntArrayRef({1, 1, height, width}));
      EXPECT_EQ(fused.scalar_type(), at::kFloat);
      EXPECT_LE(fused.abs().max().item<double>(), 1);
      EXPECT_TRUE(at::isfinite(fused).all().item<bool>());
    }
  }
}

TEST(Fuser, GivesBackEqualSources) {
  const at::Tensor one = random_pictures(1, 20, 24, 1);
  for (const Method method : {Method::bandwise, Method::amortised})
    EXPECT_TRUE(at::allclose(fuse(small_parameters(method), at::cat({one, one})), one, 0, 1e-5));
  Parameters p = small_parameters(Method::guided);
  p.guidance_scale = 1;
  EXPECT_TRUE(at::allclose(fuse(p, at::cat({one, one})), one, 0, 1e-5));
}

TEST_F(TinyFuser, IsDeterministicForASeed) {
  const at::Tensor sources = random_pictures(2, 32, 40, 1);
  for (const Method method : methods) {
    Parameters p = tiny_parameters(method);
    const at::Tensor first = fuse(p, sources);
    EXPECT_TRUE(at::equal(first, fuse(p, sources)));
    p.seed = 1;
    const bool uses_noise = method == Method::guided || method == Method::bandwise;
    EXPECT_EQ(at::equal(first, fuse(p, sources)), !uses_noise);
  }
}

TEST_F(TinyFuser, CountsEvaluations) {
  const at::Tensor sources = random_pictures(3, 16, 16, 1);
  for (const Method method : methods) {
    const Parameters p = tiny_parameters(method);
    Fuser fuser(p, [](const std::string&) {});
    (void)fuser.fuse(sources);
    const std::uint64_t expected = method == Method::guided
                                       ? 3 + 2 * 3 * 2  // steps + levels × sources × draws
                                   : method == Method::bandwise ? 4 * 3 * 2
                                                                : 3;
    EXPECT_EQ(fuser.evaluations(), expected) << name_of("method", int(method));
  }
}

TEST_F(TinyFuser, ReportsThePapersEvaluations) {
  Parameters p = tiny_parameters(Method::guided);
  ASSERT_FALSE(set(p, "preset", "paper"));
  Fuser fuser(p, [](const std::string&) {});
  (void)fuser.fuse(random_pictures(2, 16, 16, 1));
  EXPECT_EQ(fuser.evaluations(), 31u);  // DIG-25, S = 10, K = 2
  p.guidance = Guidance::em;
  fuser.configure(p);
  (void)fuser.fuse(random_pictures(2, 16, 16, 1));
  EXPECT_EQ(fuser.evaluations(), 25u);
}

TEST_F(TinyFuser, RefusesALearnedVarianceThatTheModelLacks) {
  Parameters p = tiny_parameters(Method::guided);
  Fuser fuser(p, [](const std::string&) {});
  p.variance = Variance::learned;
  try {
    fuser.configure(p);
    ADD_FAILURE() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    const std::string what = error.what();
    for (const char* part : {"variance", "denoiser", "no learned variance", "fixed-small"})
      EXPECT_NE(what.find(part), std::string::npos) << what;
  }
  EXPECT_THROW(Fuser(p, [](const std::string&) {}), Error);
  p.method = Method::amortised;  // which samples nothing
  EXPECT_NO_THROW(Fuser(p, [](const std::string&) {}));
}

TEST_F(TinyFuser, RefusesColoursThatTheModelLacks) {
  Parameters p = tiny_parameters(Method::guided);
  p.channels = Channels::rgb;
  try {
    Fuser(p, [](const std::string&) {});
    ADD_FAILURE() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    for (const char* part : {"channels", "rgb", "bandwise", "three channels"})
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Fuser, FusesColoursWithAModelOfThreeChannels) {
  const char* data = std::getenv("DIGFUSION_TEST_DATA");
  if (!data) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no model of three channels";
  for (const Method method : {Method::guided, Method::bandwise}) {
    Parameters p;
    p.method = method;
    p.model = Path(std::string(data) + "/reference/adm_tiny.pt");
    p.precision = Precision::float32;
    p.steps = 3;
    p.draws = 1;
    p.channels = Channels::rgb;
    Fuser fuser(p, [](const std::string&) {});
    at::Tensor sources = random_pictures(6, 40, 36, 1).view({2, 3, 40, 36});
    const at::Tensor fused = fuser.fuse(sources);
    ASSERT_EQ(fused.sizes(), at::IntArrayRef({1, 3, 40, 36}));
    // Red isn't what it is with another blue: the channels are fused together.
    sources = sources.clone();
    sources.select(1, 2).neg_();
    EXPECT_FALSE(at::allclose(fuser.fuse(sources).select(1, 0), fused.select(1, 0), 0, 1e-4));
  }
}

TEST_F(TinyFuser, TakesTheEvidenceFromWhereItIsTold) {
  const at::Tensor sources = random_pictures(2, 32, 40, 1);
  Parameters p = tiny_parameters(Method::gradient);
  std::vector<at::Tensor> fused;
  for (const auto& [evidence, evaluations, model] :
       {std::tuple(EvidenceSource::gradient, 0u, ""), std::tuple(EvidenceSource::scale_space, 0u, ""),
        std::tuple(EvidenceSource::student, 2u, "gradient-student"),
        // The noise of each source, then levels × sources × draws.
        std::tuple(EvidenceSource::teacher, 2u + 3 * 2 * 2, "denoiser")}) {
    p.evidence = evidence;
    Fuser fuser(p, [](const std::string&) {});
    fused.push_back(fuser.fuse(sources));
    EXPECT_EQ(fuser.evaluations(), evaluations);
    EXPECT_EQ(fuser.model().substr(fuser.model().rfind('/') + 1), model);
  }
  for (std::size_t i = 0; i < fused.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) EXPECT_FALSE(at::equal(fused[i], fused[j])) << i << j;
  p.evidence = EvidenceSource::student;
  p.distance = Distance::l1;  // which the student doesn't know
  EXPECT_THROW(Fuser(p, [](const std::string&) {}), Error);
}

TEST_F(TinyFuser, StretchesContrastLast) {
  const at::Tensor sources = random_pictures(2, 32, 40, 1) * 0.3;
  Parameters p = tiny_parameters(Method::amortised);
  const at::Tensor plain = fuse(p, sources);
  p.contrast = 1.5;
  EXPECT_TRUE(at::allclose(fuse(p, sources), stretch_contrast(plain, 1.5).clamp(-1, 1), 0, 1e-5));
}

TEST(Fuser, FocusTakesTheSharpPictureOfEachPlace) {
  // One scene, focused on its left, its middle and its right third.
  const at::Tensor scene = random_pictures(1, 64, 192, 3);
  const at::Tensor blurred = box_filter(box_filter(scene, 3), 3);
  std::vector<at::Tensor> pictures;
  for (const int third : {0, 1, 2}) {
    pictures.push_back(blurred.clone());
    pictures.back().narrow(3, 64 * third, 64).copy_(scene.narrow(3, 64 * third, 64));
  }
  Parameters p = parameters_of(Task::focus);
  p.device = Word("cpu");
  p.precision = Precision::float32;
  for (const Method method : {Method::amortised, Method::bandwise}) {
    p.method = method;
    const at::Tensor sources = at::cat(pictures), fused = fuse(p, sources);
    const double error = (fused - scene).square().mean().item<double>(),
                 of_average = (sources.mean(0, true) - scene).square().mean().item<double>();
    EXPECT_LT(error, 0.1 * of_average) << name_of("method", int(method));
  }
}

TEST(Fuser, AmortisedWeighsWhatTheStudentSays) {
  // At multiples of the student's size and without smoothing this is three calls.
  Parameters p = small_parameters(Method::amortised);
  p.smoothing = 0;
  const at::Tensor sources = random_pictures(2, 32, 48, 4);
  const auto student = open_student("", at::kCPU, at::kFloat);
  const StudentEstimates estimates = student->estimate(sources);
  const std::int64_t levels = estimates.mean.size(1), u = sources.size(3) / estimates.error.size(3);
  at::Tensor weights = at::empty({levels, 2, 1, 32, 48});
  for (std::int64_t m = 0; m < levels; ++m) {
    at::Tensor gain = estimates.error.narrow(1, m, 1);
    if (m + 1 < levels) gain = gain - estimates.error.narrow(1, m + 1, 1);
    const at::Tensor raised = gain.clamp_min(0).pow(p.sharpness);
    const at::Tensor sum = raised.sum(0, true);
    const at::Tensor coarse = at::where(sum > 0, raised / sum, at::full_like(raised, 0.5));
    weights[m] = at::upsample_bilinear2d(coarse, {coarse.size(2) * u, coarse.size(3) * u}, false);
  }
  const at::Tensor expected =
      combine_bands(sources, estimates.mean.transpose(0, 1).unsqueeze(2), weights, p.base);
  EXPECT_TRUE(at::allclose(fuse(p, sources), expected.clamp(-1, 1), 0, 1e-4));
}

TEST_F(TinyFuser, ConfigureTakesEffectAndKeepsTheModels) {
  const at::Tensor sources = random_pictures(2, 32, 40, 1);
  Parameters p = tiny_parameters(Method::amortised);
  Fuser fuser(p, [](const std::string&) {});
  p.base = Base::average;
  p.method = Method::bandwise;
  p.device = Word("cuda:63");  // for the next load() alone
  fuser.configure(p);
  EXPECT_EQ(fuser.parameters().device.view(), "cpu");
  EXPECT_EQ(fuser.model(), folder.path / "denoiser");
  Parameters fresh = p;
  fresh.device = Word("cpu");
  EXPECT_TRUE(at::equal(fuser.fuse(sources), fuse(fresh, sources)));
}

TEST_F(TinyFuser, AFailedConfigureLeavesEverythingAsItWas) {
  write_bytes(folder.path / "denoiser", "not a model at all");
  const at::Tensor sources = random_pictures(2, 32, 40, 1);
  Parameters p = tiny_parameters(Method::amortised);
  Fuser fuser(p, [](const std::string&) {});
  const at::Tensor before = fuser.fuse(sources);
  const std::string model = fuser.model();
  std::vector<Parameters> wrong(4, p);
  wrong[0].method = Method::bandwise;  // whose model can't be read
  wrong[1].distance = Distance::l1;    // which the student doesn't know
  wrong[2].draws = 0;
  wrong[3].levels = Word("1,2,3");
  for (Parameters& each : wrong) {
    each.base = Base::average;
    EXPECT_THROW(fuser.configure(each), Error);
    EXPECT_EQ(fuser.parameters(), p);
    EXPECT_EQ(fuser.model(), model);
    EXPECT_TRUE(at::equal(fuser.fuse(sources), before));
  }
}

TEST_F(TinyFuser, RefusesTooFewOrTooSmallPictures) {
  Fuser fuser(tiny_parameters(Method::amortised), [](const std::string&) {});
  for (const at::Tensor& sources :
       {at::zeros({1, 1, 32, 32}), at::zeros({2, 1, 15, 32}), at::zeros({2, 1, 32, 15})})
    EXPECT_THROW((void)fuser.fuse(sources), Error);
}

TEST_F(TinyFuser, PadsForNetworksCoarserThanThePicture) {
  ModelFile coarse = tiny_student();
  coarse.config = {.unshuffle = 8,
                   .widths = {4, 4, 4, 4},
                   .blocks = 0,
                   .middle_blocks = 1,
                   .outputs = 130,
                   .embedding = 0};
  coarse.weights = initialise_unet(coarse.config, at::detail::createCPUGenerator(1));
  write_model_file(folder.path / "coarse", coarse);
  Parameters p = tiny_parameters(Method::amortised);
  p.student = Path((folder.path / "coarse").string());
  ASSERT_EQ(coarse.config.multiple(), 64);
  const at::Tensor one = random_pictures(1, 16, 21, 1);
  EXPECT_TRUE(at::allclose(fuse(p, at::cat({one, one})), one, 0, 1e-5));
}

TEST(Fuser, Bfloat16IsCloseToFloat32) {
  if (!cpu_has_bfloat16()) GTEST_SKIP() << "this CPU has no bfloat16 products";
  const at::Tensor sources = random_pictures(2, 32, 32, 9);
  for (const Method method : {Method::bandwise, Method::amortised}) {
    Parameters p = small_parameters(method);
    const at::Tensor exact = fuse(p, sources);
    p.precision = Precision::bfloat16;
    const at::Tensor rough = fuse(p, sources);
    const double rms = (exact - rough).square().mean().sqrt().item<double>() * 127.5;
    EXPECT_LT(rms, 3) << name_of("method", int(method));  // of 255
    EXPECT_GT(rms, 0);
  }
}

TEST(Fuser, AnotherPresetGoesOnWhereTheOneBeforeStopped) {
  // Less than what counts as movement or a cut.
  const at::Tensor before = random_pictures(2, 48, 64, 3) * 0.5,
                   after = before + 0.04 * random_pictures(2, 48, 64, 4);
  for (const auto& [from, to] : {std::pair("realtime", "balanced"), {"realtime", "minimal"}}) {
    SCOPED_TRACE(to);
    Parameters p;
    p.precision = Precision::float32;
    p.noise = Word("0");
    ASSERT_FALSE(set(p, "preset", from));
    Fuser fuser(p, [](const std::string&) {});
    at::Tensor last;
    for (int n = 0; n < 3; ++n) last = fuser.fuse(before);
    ASSERT_FALSE(set(p, "preset", to));
    fuser.configure(p);
    const auto jump = [&](const at::Tensor& next) { return (next - last).abs().mean().item<double>(); };
    const double with_past = jump(fuser.fuse(after));
    fuser.reset();
    const double without = jump(fuser.fuse(after));
    EXPECT_GT(with_past, 0);
    EXPECT_LT(with_past, 0.5 * without);
  }
}

TEST_F(TinyFuser, KeepsTheStudentWhileAPresetWithoutOneIsInUse) {
  Parameters p = tiny_parameters(Method::gradient);
  std::optional<Fuser> fuser(std::in_place, p, [](const std::string&) {});
  const std::weak_ptr<const GradientStudent> student = gradient_student_of(p, at::kCPU, at::kFloat);
  p.evidence = EvidenceSource::gradient;
  fuser->configure(p);
  EXPECT_FALSE(student.expired());
  p.evidence = EvidenceSource::student;
  fuser->configure(p);
  EXPECT_EQ(student.lock(), gradient_student_of(p, at::kCPU, at::kFloat));
  fuser.reset();
  EXPECT_TRUE(student.expired());
}

TEST_F(TinyFuser, NoiseThatHasBeenFoundHoldsForOtherEvidence) {
  Parameters p = tiny_parameters(Method::gradient);
  const auto noisy = [](double level, std::uint64_t seed) {
    return random_tensor({2, 1, 96, 128}, seed) * (level / 127.5);
  };
  const at::Tensor now = noisy(22, 2);
  NoiseLevels levels;
  (void)levels.of(noisy(20, 1), p);
  const auto student = gradient_student_of(p, at::kCPU, at::kFloat);
  const at::Tensor expected = student->estimate(now, levels.of(now, p)).clean;

  const NoiseField no_field;
  std::unique_ptr<EvidenceMaker> maker = make_evidence(p, at::kCPU, at::kFloat);
  (void)maker->gather(noisy(20, 1), p, no_field);
  for (const auto evidence : {EvidenceSource::gradient, EvidenceSource::student}) {
    p.evidence = evidence;
    std::unique_ptr<EvidenceMaker> next = make_evidence(p, at::kCPU, at::kFloat);
    next->inherit(*maker);
    maker = std::move(next);
  }
  EXPECT_TRUE(at::equal(maker->gather(now, p, no_field).clean, expected));
  maker->reset();
  EXPECT_FALSE(at::equal(maker->gather(now, p, no_field).clean, expected));
}

TEST(Fuser, KeepsAnInfraredTargetAndTheVisibleDetail) {
  // What fusion is for: a hot square on a dark infrared picture, texture in the visible one.
  at::Tensor visible = at::full({1, 1, 64, 64}, -0.2), infrared = at::full({1, 1, 64, 64}, -0.9);
  visible.slice(3, 0, 32, 4).add_(0.4);
  visible.slice(3, 1, 32, 4).add_(0.4);
  infrared.slice(2, 24, 40).slice(3, 40, 56).fill_(0.8);
  for (const Method method : {Method::bandwise, Method::amortised}) {
    const at::Tensor fused = fuse(small_parameters(method), at::cat({visible, infrared}));
    const double hot = fused.slice(2, 26, 38).slice(3, 42, 54).mean().item<double>();
    const double beside = fused.slice(2, 50, 62).slice(3, 42, 54).mean().item<double>();
    EXPECT_GT(hot - beside, 0.6) << name_of("method", int(method));
    EXPECT_GT(beside, -0.5) << name_of("method", int(method));  // as bright as the visible picture
    const double texture = fused.slice(3, 4, 28).std().item<double>(),
                 original = visible.slice(3, 4, 28).std().item<double>();
    EXPECT_GT(texture, 0.6 * original) << name_of("method", int(method));
  }
}

}  // namespace
}  // namespace digfusion
