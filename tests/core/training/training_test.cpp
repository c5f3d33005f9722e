// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/training/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/denoiser/denoiser.h"
#include "core/denoiser/model_file.h"
#include "core/denoiser/registry.h"
#include "core/diffusion/steps.h"
#include "core/interface/error.h"
#include "core/training/adam.h"
#include "core/training/leaves.h"
#include "core/training/objective.h"
#include "core/training/pool.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

namespace files = std::filesystem;

// --- Adam

TEST(Adam, EqualsItsScalarDefinition) {
  constexpr double rate = 0.01, clip = 2.5, decay = 0.9;
  Adam adam({{"a", at::tensor({0.5f, -1.f})}, {"b", at::tensor({2.f})}}, decay);
  double w[3] = {0.5, -1, 2}, average[3] = {0.5, -1, 2}, m[3] = {}, v[3] = {};
  for (int step = 1; step <= 60; ++step) {
    // loss = a0² + 3 a0 a1 + 2 b⁴ + a1 cos(step): gradients of varied size, some beyond the clip.
    const at::Tensor a = adam.weights().at("a"), b = adam.weights().at("b");
    (a[0] * a[0] + a[0] * a[1] * 3 + b[0].pow(4) * 2 + a[1] * std::cos(step)).backward();
    double g[3] = {2 * w[0] + 3 * w[1], 3 * w[0] + std::cos(step), 8 * std::pow(w[2], 3)};
    const double norm = std::sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]);
    ASSERT_NEAR(adam.step(rate, clip), norm, 1e-4 * norm);
    for (int i = 0; i < 3; ++i) {
      g[i] *= std::min(1.0, clip / norm);
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.99 * v[i] + 0.01 * g[i] * g[i];
      w[i] -=
          rate * (m[i] / (1 - std::pow(0.9, step))) / (std::sqrt(v[i] / (1 - std::pow(0.99, step))) + 1e-8);
      const double keep = std::min(decay, step / (step + 10.0));
      average[i] = keep * average[i] + (1 - keep) * w[i];
    }
    const std::vector<double> weights[] = {numbers(a), numbers(b), numbers(adam.average().at("a")),
                                           numbers(adam.average().at("b"))};
    ASSERT_NEAR(weights[0][0], w[0], 2e-5);
    ASSERT_NEAR(weights[0][1], w[1], 2e-5);
    ASSERT_NEAR(weights[1][0], w[2], 2e-5);
    ASSERT_NEAR(weights[2][0], average[0], 2e-5);
    ASSERT_NEAR(weights[3][0], average[2], 2e-5);
    ASSERT_FALSE(a.grad().defined());  // cleared for the next step
  }
}

TEST(Adam, GoesOnFromWhatItSaved) {
  const auto run = [](Adam& adam, int from, int to) {
    for (int i = from; i < to; ++i) {
      ((adam.weights().at("w") - i).square().sum()).backward();
      (void)adam.step(0.1, 1);
    }
  };
  Adam whole({{"w", at::ones({3})}}, 0.99), half({{"w", at::ones({3})}}, 0.99),
      rest({{"w", at::zeros({3})}}, 0.99);
  run(whole, 0, 10);
  run(half, 0, 5);
  TensorMap state;
  half.save(state);
  rest.restore(state, 5, "file");
  run(rest, 5, 10);
  EXPECT_TRUE(at::equal(whole.weights().at("w"), rest.weights().at("w")));
  EXPECT_TRUE(at::equal(whole.average().at("w"), rest.average().at("w")));
  Adam other({{"w", at::ones({4})}}, 0.99), renamed({{"x", at::ones({3})}}, 0.99);
  EXPECT_THROW(other.restore(state, 5, "file"), Error);
  EXPECT_THROW(renamed.restore(state, 5, "file"), Error);
}

// --- training pictures

bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0;
}

TEST(Leaves, APictureIsAFunctionOfSeedNumberAndSize) {
  const LeavesGenerator generator(3), again(3), other(4);
  const cv::Mat first = generator.picture(5, 64);
  ASSERT_EQ(first.type(), CV_8UC1);
  ASSERT_EQ(first.size(), cv::Size(64, 64));
  (void)generator.picture(6, 64);
  EXPECT_TRUE(same(generator.picture(5, 64), first));
  EXPECT_TRUE(same(again.picture(5, 64), first));
  EXPECT_FALSE(same(generator.picture(6, 64), first));
  EXPECT_FALSE(same(other.picture(5, 64), first));
}

TEST(Leaves, HaveEdgesAndContrastOfEveryKind) {
  const LeavesGenerator generator(1);
  std::set<int> means;
  int with_contrast = 0;
  for (std::uint64_t i = 0; i < 24; ++i) {
    cv::Scalar mean, deviation;
    cv::meanStdDev(generator.picture(i, 96), mean, deviation);
    means.insert(int(mean[0]) / 16);
    with_contrast += deviation[0] > 12;
  }
  EXPECT_GT(means.size(), 5u);
  EXPECT_GT(with_contrast, 12);
  EXPECT_EQ(generator.picture(0, 16).size(), cv::Size(16, 16));
}

TEST(Pool, HoldsAFunctionOfSeedSizeAndStep) {
  // A pool that has come to a step by itself, and one made for that step.
  constexpr int size = 3;
  PicturePool walked(7, size, 0);
  for (std::int64_t step = 0; step < 8; ++step) {
    PicturePool fresh(7, size, step);
    const at::Tensor expected = walked.batch(step, 4, 48);
    ASSERT_EQ(expected.sizes(), at::IntArrayRef({4, 1, 48, 48}));
    ASSERT_TRUE(at::equal(fresh.batch(step, 4, 48), expected)) << step;
    ASSERT_LE(expected.abs().max().item<double>(), 1);
  }
}

TEST(Pool, BatchesDiffer) {
  PicturePool pool(7, 2, 0);
  const at::Tensor first = pool.batch(0, 2, 64), second = pool.batch(1, 2, 64);
  EXPECT_FALSE(at::equal(first, second));
  EXPECT_FALSE(at::equal(first[0], first[1]));
}

TEST(Pool, HeldOutPicturesAreTheSameForEveryStep) {
  const PicturePool a(7, 1, 0), b(7, 2, 5);
  const at::Tensor held_out = a.held_out(3, 32);
  ASSERT_EQ(held_out.sizes(), at::IntArrayRef({3, 1, 32, 32}));
  EXPECT_TRUE(at::equal(held_out, b.held_out(3, 32)));
  EXPECT_LE(held_out.abs().max().item<double>(), 1);
}

// --- training

class Training : public testing::Test {
 protected:
  Training() {
    options.output = folder.path / "weights.safetensors";
    options.steps = 6;
    options.batch = 4;
    options.patch = 32;
    options.pool = 4;
    options.checkpoint_every = 100;
    options.config = tiny_denoiser().config;
  }
  static bool go_on(const TrainingProgress&) { return true; }
  std::string refusal(ErrorCode code) const {
    try {
      train(options, go_on);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "";
  }
  const TemporaryFolder folder;
  TrainingOptions options;
};

/// Peak signal-to-noise ratio over -1..1.
double psnr(const at::Tensor& a, const at::Tensor& b) {
  return -10 * std::log10((a - b).square().mean().item<double>() / 4);
}

TEST_F(Training, LearnsToDenoise) {
  options.config = {
      .unshuffle = 2, .widths = {12, 16}, .blocks = 1, .middle_blocks = 1, .outputs = 4, .embedding = 16};
  options.steps = 200;
  options.batch = 8;
  options.learning_rate = 8e-3;
  options.average = 0.95;
  std::vector<double> losses;
  double last_psnr[3] = {};
  train(options, [&](const TrainingProgress& progress) {
    losses.push_back(progress.loss);
    EXPECT_GT(progress.seconds_per_step, 0);
    if (progress.checkpointed) std::copy(progress.psnr, progress.psnr + 3, last_psnr);
    return true;
  });
  ASSERT_EQ(losses.size(), 10u);
  EXPECT_LT(losses.back(), 0.5 * losses.front());
  EXPECT_GT(last_psnr[0], last_psnr[1]);
  EXPECT_GT(last_psnr[1], last_psnr[2]);

  // Pictures that training never saw.
  const at::Tensor clean = PicturePool(options.seed, 1, 0).held_out(12, 64);
  const auto denoiser = open_denoiser(options.output, at::kCPU, at::kFloat);
  const double sigmas[] = {10, 22, 50};
  for (int i = 0; i < 3; ++i) {
    const double sigma = sigmas[i] / 127.5;
    const at::Tensor noisy = clean + random_tensor(clean.sizes(), 99) * sigma;
    const int t = denoiser->schedule().timestep_of(sigma);
    const double bar = denoiser->schedule().alpha_bar[std::size_t(t)];
    const std::vector<int> timesteps(12, t);
    const at::Tensor xt = noisy * std::sqrt(bar);
    const at::Tensor estimate = one_step_estimate(xt, denoiser->predict_noise(xt, timesteps), bar);
    const double before = psnr(noisy.clamp(-1, 1), clean), after = psnr(estimate, clean);
    EXPECT_GT(after, before + (i == 0 ? 0.5 : 2)) << "σ = " << sigmas[i];
    // Better than the untrained network too, which is the best linear one that looks at single pixels.
    EXPECT_GT(after, psnr(noisy * (0.25 / (0.25 + sigma * sigma)), clean) + 0.5) << "σ = " << sigmas[i];
    EXPECT_NEAR(last_psnr[i], after, 3);  // another size of the same pictures
  }
}

TEST_F(Training, StudentLearnsTheMeansOfItsTeacher) {
  // The untrained teacher's estimate is ĉ = (c + σε)/(1 + 4σ²): its mean over draws and its squared error are
  // known.
  write_model_file(folder.path / "teacher", tiny_denoiser());
  options.target = ModelKind::student;
  options.teacher = folder.path / "teacher";
  options.levels = "400,100";
  options.config = tiny_student().config;
  options.steps = 200;
  options.batch = 8;
  options.learning_rate = 2e-2;
  options.average = 0.95;
  double first = 0, last = 0;
  train(options, [&](const TrainingProgress& progress) {
    if (progress.step == 20) first = progress.loss;
    return last = progress.loss, true;
  });
  EXPECT_LT(last, first);

  const ModelFile file = read_model_file(options.output, ModelKind::student);
  EXPECT_EQ(file.timesteps, (std::vector<int>{400, 100}));
  const auto student = open_student(options.output, at::kCPU, at::kFloat);
  const at::Tensor pictures = PicturePool(options.seed, 1, 0).held_out(12, 64);
  const StudentEstimates estimates = student->estimate(pictures);
  const NoiseSchedule schedule = linear_schedule();
  for (int m = 0; m < 2; ++m) {
    const double sigma = schedule.sigma(file.timesteps[std::size_t(m)]), shrink = 1 / (1 + 4 * sigma * sigma);
    const at::Tensor mean = pictures * shrink;
    const double untrained = (pictures - mean).square().mean().item<double>();
    const double trained = (estimates.mean.narrow(1, m, 1) - mean).square().mean().item<double>();
    EXPECT_LT(trained, 0.2 * untrained) << "level " << m;
    // Its error map too is nearer than the constant from which it started, on a scale of ratios.
    const at::Tensor error =
        at::avg_pool2d(pictures.square(), 2) * std::pow(1 - shrink, 2) + std::pow(sigma * shrink, 2);
    const auto distance = [&](const at::Tensor& e) {
      return (e / error).log().square().mean().sqrt().item<double>();
    };
    const double start = std::pow(typical_error(file.timesteps[std::size_t(m)]), 2);
    EXPECT_LT(distance(estimates.error.narrow(1, m, 1)), 0.9 * distance(at::full({}, start)))
        << "level " << m;
    const double ratio = (estimates.error.narrow(1, m, 1).mean() / error.mean()).item<double>();
    EXPECT_NEAR(std::log2(ratio), 0, 1) << "level " << m;
  }
}

TEST_F(Training, GradientStudentLearnsToDenoiseAndTheErrorsOfItsTeacher) {
  write_model_file(folder.path / "teacher", tiny_denoiser());
  options.target = ModelKind::gradient_student;
  options.teacher = folder.path / "teacher";
  options.levels = "300,30";
  options.config = tiny_gradient_student().config;
  options.config.widths = {12, 16};
  options.steps = 200;
  options.batch = 8;
  options.learning_rate = 8e-3;
  options.average = 0.95;
  std::vector<double> losses;
  double last_psnr[3] = {};
  train(options, [&](const TrainingProgress& progress) {
    EXPECT_TRUE(std::isfinite(progress.loss));
    losses.push_back(progress.loss);
    if (progress.checkpointed) std::copy(progress.psnr, progress.psnr + 3, last_psnr);
    return true;
  });
  EXPECT_LT(losses.back(), losses.front() - 0.2);

  const auto student = open_gradient_student(options.output, at::kCPU, at::kFloat);
  const at::Tensor clean = PicturePool(options.seed, 1, 0).held_out(12, 64);
  const double sigmas[] = {10, 22, 50};
  for (int i = 0; i < 3; ++i) {
    const at::Tensor noisy = clean + random_tensor(clean.sizes(), 99) * (sigmas[i] / 127.5);
    const at::Tensor estimate = student->estimate(noisy, std::vector<NoiseLevel>(12, {sigmas[i], 0})).clean;
    // So short a training is worth something on strong noise alone.
    if (i > 0) {
      EXPECT_GT(psnr(estimate, clean), psnr(noisy, clean) + 2) << "σ = " << sigmas[i];
    }
    EXPECT_NEAR(last_psnr[i], psnr(estimate.clamp(-1, 1), clean), 3);  // another size of the same pictures
  }
  // The error of the untrained teacher is known, as in StudentLearnsTheMeansOfItsTeacher.
  const at::Tensor error = student->estimate(clean, std::vector<NoiseLevel>(12)).error;
  const NoiseSchedule schedule = linear_schedule();
  for (int m = 0; m < 2; ++m) {
    const double sigma = schedule.sigma(student->timesteps()[std::size_t(m)]),
                 shrink = 1 / (1 + 4 * sigma * sigma);
    const at::Tensor expected =
        at::avg_pool2d(clean.square(), 4) * std::pow(1 - shrink, 2) + std::pow(sigma * shrink, 2);
    const double ratio = (error.narrow(1, m, 1).mean() / expected.mean()).item<double>();
    EXPECT_NEAR(std::log2(ratio), 0, 1) << "level " << m;
  }
}

TEST_F(Training, GradientStudentsGradientsAreFiniteAndReachEveryWeight) {
  write_model_file(folder.path / "teacher", tiny_denoiser());
  const ModelFile file = tiny_gradient_student();
  const auto objective = gradient_student_objective(
      file.config, file.timesteps, open_denoiser(folder.path / "teacher", at::kCPU, at::kFloat),
      at::zeros({1, 1, 32, 32}));
  TensorMap weights;
  for (const auto& [name, w] : file.weights)
    weights[name] = (w + random_tensor(w.sizes(), weights.size()) * 0.1).set_requires_grad(true);
  objective->loss(weights, random_pictures(12, 32, 32, 3), generator_for(1, 0)).backward();
  for (const auto& [name, w] : weights) {
    ASSERT_TRUE(w.grad().defined()) << name;
    EXPECT_TRUE(at::isfinite(w.grad()).all().item<bool>()) << name;
    EXPECT_GT(w.grad().abs().max().item<double>(), 0) << name;
  }
}

TEST_F(Training, ResumedGradientStudentEqualsUninterrupted) {
  write_model_file(folder.path / "teacher", tiny_denoiser());
  options.target = ModelKind::gradient_student;
  options.teacher = folder.path / "teacher";
  options.levels = "300,30";
  options.config = tiny_gradient_student().config;
  train(options, go_on);
  const std::string expected = read_text(options.output);
  ASSERT_FALSE(expected.empty());
  options.output = folder.path / "resumed.safetensors";
  options.checkpoint_every = 2;
  train(options, [](const TrainingProgress& progress) { return progress.step < 4; });
  options.resume = true;
  train(options, go_on);
  const TensorMap resumed = read_safetensors(options.output).tensors;
  for (const auto& [name, w] : read_safetensors(folder.path / "weights.safetensors").tensors)
    EXPECT_TRUE(at::equal(resumed.at(name), w)) << name;
}

TEST_F(Training, ResumedEqualsUninterruptedBitForBit) {
  options.checkpoint_every = 3;
  train(options, go_on);
  const std::string expected = read_text(options.output), state = read_text(options.output + ".checkpoint");
  ASSERT_FALSE(state.empty());

  options.output = folder.path / "resumed.safetensors";
  std::vector<std::int64_t> steps;
  const auto stop_at = [&](std::int64_t last) {
    return [&, last](const TrainingProgress& progress) {
      return steps.push_back(progress.step), progress.step < last;
    };
  };
  options.checkpoint_every = 2;
  train(options, stop_at(4));
  EXPECT_EQ(steps, (std::vector<std::int64_t>{2, 4}));
  steps.clear();
  options.resume = true;
  options.checkpoint_every = 3;
  train(options, stop_at(100));
  EXPECT_EQ(steps, (std::vector<std::int64_t>{6}));
  EXPECT_EQ(read_safetensors(options.output + ".checkpoint").metadata.at("step"), "6");
  const TensorMap resumed = read_safetensors(options.output + ".checkpoint").tensors;
  for (const auto& [name, tensor] : read_safetensors(folder.path / "weights.safetensors.checkpoint").tensors)
    EXPECT_TRUE(at::equal(resumed.at(name), tensor)) << name;
  const TensorMap weights = read_safetensors(options.output).tensors;
  for (const auto& [name, tensor] : read_safetensors(folder.path / "weights.safetensors").tensors)
    EXPECT_TRUE(at::equal(weights.at(name), tensor)) << name;
}

TEST_F(Training, RecordsHowTheWeightsWereMade) {
  options.seed = 17;
  train(options, go_on);
  const auto record = nlohmann::json::parse(read_model_file(options.output).training);
  EXPECT_EQ(record["steps"], 6);
  EXPECT_EQ(record["seed"], 17);
  EXPECT_EQ(record["batch"], 4);
  EXPECT_TRUE(record["loss"].is_number());
}

TEST_F(Training, SeedsGiveOtherWeights) {
  options.steps = 1;
  train(options, go_on);
  const TensorMap first = read_model_file(options.output).weights;
  options.seed = 2;
  train(options, go_on);
  EXPECT_FALSE(at::equal(first.at("head.weight"), read_model_file(options.output).weights.at("head.weight")));
}

TEST_F(Training, DivergenceIsAnErrorThatKeepsTheLastWeights) {
  options.checkpoint_every = 1;
  options.steps = 1;
  options.learning_rate = 1e-3;
  train(options, go_on);
  const std::string before = read_text(options.output);
  options.steps = 40;
  options.resume = true;
  options.learning_rate = 1e30;
  options.checkpoint_every = 1000;
  const std::string message = refusal(ErrorCode::internal);
  EXPECT_NE(message.find("diverged at step"), std::string::npos) << message;
  EXPECT_EQ(read_text(options.output), before);
}

TEST_F(Training, RefusesWhatItCantDo) {
  const TrainingOptions good = options;
  const struct {
    std::function<void(TrainingOptions&)> change;
    const char* message;
  } cases[] = {
      {[](TrainingOptions& o) { o.output.clear(); }, "name of a file"},
      {[](TrainingOptions& o) { o.steps = 0; }, "must be 1 or more"},
      {[](TrainingOptions& o) { o.batch = 0; }, "must be 1 or more"},
      {[](TrainingOptions& o) { o.pool = 0; }, "must be 1 or more"},
      {[](TrainingOptions& o) { o.checkpoint_every = 0; }, "must be 1 or more"},
      {[](TrainingOptions& o) { o.patch = 12; }, "patch must be"},
      {[](TrainingOptions& o) { o.patch = 34; }, "multiple of 4"},
      {[](TrainingOptions& o) { o.patch = 260; }, "patch must be"},
      {[](TrainingOptions& o) { o.learning_rate = 0; }, "learning rate"},
      {[](TrainingOptions& o) { o.learning_rate = NAN; }, "learning rate"},
      {[](TrainingOptions& o) { o.average = 1; }, "average"},
      {[](TrainingOptions& o) { o.target = ModelKind::student, o.levels = "1,2"; }, "parameter levels"},
      {[](TrainingOptions& o) { o.target = ModelKind::student, o.batch = 3; },
       "a picture for each of its 4 levels"},
  };
  for (const auto& [change, message] : cases) {
    options = good;
    change(options);
    const std::string refused = refusal(ErrorCode::invalid_argument);
    EXPECT_NE(refused.find(message), std::string::npos) << refused << "\nexpected: " << message;
  }
  EXPECT_TRUE(files::is_empty(folder.path));
}

TEST_F(Training, RefusesAForeignCheckpoint) {
  options.steps = 1;
  train(options, go_on);
  const std::string checkpoint = options.output + ".checkpoint";
  const SafetensorsFile good = read_safetensors(checkpoint);
  options.resume = true;
  for (const char* step : {"-5", "", "x", "1x", "99999999999999999999"}) {
    SafetensorsFile bad = good;
    bad.metadata["step"] = step;
    write_safetensors(checkpoint, bad);
    EXPECT_NE(refusal(ErrorCode::model).find("step"), std::string::npos) << step;
  }
  SafetensorsFile bad = good;
  bad.metadata.clear();
  write_safetensors(checkpoint, bad);
  EXPECT_NE(refusal(ErrorCode::model).find("has no step"), std::string::npos);
  bad = good;
  bad.tensors.erase("second/tail.bias");
  write_safetensors(checkpoint, bad);
  EXPECT_NE(refusal(ErrorCode::model).find("\"second/tail.bias\" is missing"), std::string::npos);
  write_bytes(checkpoint, "cut short");
  EXPECT_NE(refusal(ErrorCode::model).find("checkpoint"), std::string::npos);
}

TEST_F(Training, AFolderThatIsntThereIsAnErrorAtOnce) {
  options.output = folder.path / "nowhere" / "weights.safetensors";
  options.steps = 1;
  EXPECT_NE(refusal(ErrorCode::invalid_argument).find("No such file"), std::string::npos);
}

TEST_F(Training, WorksInBfloat16) {
  options.bfloat16 = true;
  options.steps = 2;
  train(options, go_on);
  EXPECT_EQ(read_model_file(options.output).weights.at("head.weight").scalar_type(), at::kHalf);
  EXPECT_EQ(read_safetensors(options.output + ".checkpoint").tensors.at("weight/head.weight").scalar_type(),
            at::kFloat);
}

}  // namespace
}  // namespace digfusion
