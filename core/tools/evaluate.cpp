// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion evaluate`: how well a denoiser, and a student of gradient-domain fusion, denoise photographs
// that they have never seen, beside non-local means; and how near the student's error maps are to the
// denoiser's.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <opencv2/core.hpp>
#include <opencv2/photo.hpp>

#include "core/denoiser/registry.h"
#include "core/diffusion/steps.h"
#include "core/image/pad.h"
#include "core/interface/error.h"
#include "core/tools/commands.h"
#include "core/tools/pictures.h"

namespace digfusion {
namespace {

struct Options {
  std::string pictures, model, student;
  int every = 2;
  int draws = 0;
  std::vector<double> sigmas = {10, 22, 50}, columns;
};

at::Tensor as_tensor(const cv::Mat& luma) {  // CV_64F on 0..255 → [1,1,H,W] float32 on -1..1
  return at::from_blob(luma.data, {1, 1, luma.rows, luma.cols}, at::kDouble).to(at::kFloat) / 127.5 - 1;
}

cv::Mat as_luma(const at::Tensor& picture, const cv::Mat& like) {
  const at::Tensor luma =
      ((picture.narrow(2, 0, like.rows).narrow(3, 0, like.cols) + 1) * 127.5).to(at::kDouble).contiguous();
  return cv::Mat(like.rows, like.cols, CV_64F, luma.data_ptr<double>()).clone();
}

/// One evaluation at the timestep whose noise is nearest to sigma (of 255); noisy is CV_64F on 0..255.
cv::Mat denoise(const Denoiser& denoiser, const cv::Mat& noisy, double sigma) {
  const int t = denoiser.schedule().timestep_of(sigma / 127.5);
  const double alpha_bar = denoiser.schedule().alpha_bar[std::size_t(t)];
  const at::Tensor xt = pad_to_multiple(as_tensor(noisy), denoiser.multiple()) * std::sqrt(alpha_bar);
  return as_luma(one_step_estimate(xt, denoiser.predict_noise(xt, {&t, 1}), alpha_bar), noisy);
}

cv::Mat denoise(const GradientStudent& student, const cv::Mat& noisy, const NoiseLevel& level) {
  const at::Tensor y = pad_to_multiple(as_tensor(noisy), student.multiple());
  return as_luma(student.estimate(y, {&level, 1}).clean.clamp(-1, 1), noisy);
}

cv::Mat non_local_means(const cv::Mat& noisy, double sigma) {
  cv::Mat bytes, means;
  noisy.convertTo(bytes, CV_8U);
  cv::fastNlMeansDenoising(bytes, means, float(sigma), 7, 21);
  means.convertTo(means, CV_64F);
  return means;
}

cv::Mat noise_of(const NoiseLevel& level, cv::Size size, cv::RNG& rng) {
  cv::Mat noise(size, CV_64F), columns(1, size.width, CV_64F);
  rng.fill(noise, cv::RNG::NORMAL, 0, level.white);
  rng.fill(columns, cv::RNG::NORMAL, 0, level.column);
  return noise + cv::repeat(columns, size.height, 1);
}

/// One row of the table: means over the pictures.
void evaluate(const Options& o, const std::vector<tools::PictureSet>& sets, const NoiseLevel& level,
              const Denoiser& denoiser, const GradientStudent* student) {
  double sums[7] = {};
  int count = 0;
  cv::RNG rng(std::uint64_t(1 + level.white + 1000 * level.column));
  for (std::size_t i = 0; i < sets.size(); i += std::size_t(o.every), ++count) {
    const cv::Mat clean = tools::luma(tools::read_picture(sets[i].files[0]));
    const cv::Mat noisy = clean + noise_of(level, clean.size(), rng);
    std::vector<double> figures = {cv::PSNR(noisy, clean),
                                   cv::PSNR(non_local_means(noisy, level.total()), clean),
                                   cv::PSNR(denoise(denoiser, noisy, level.total()), clean)};
    if (student) {
      const NoiseLevel found = estimate_noise(as_tensor(noisy));
      figures.insert(figures.end(),
                     {cv::PSNR(denoise(*student, noisy, level), clean),
                      cv::PSNR(denoise(*student, noisy, found), clean), found.white, found.column});
    }
    for (std::size_t k = 0; k < figures.size(); ++k) sums[k] += figures[k];
  }
  std::printf("%g,%g,%d", level.white, level.column, count);
  for (int k = 0; k < (student ? 7 : 3); ++k) std::printf(",%.2f", sums[k] / count);
  std::printf("\n");
  std::fflush(stdout);
}

/// Correlation over the pixels of a picture of the logarithms of the student's error maps and the means of
/// the denoiser's over `draws`, its mean over the pictures.
void evaluate_errors(const Options& o, const std::vector<tools::PictureSet>& sets, const Denoiser& denoiser,
                     const GradientStudent& student) {
  const std::vector<int>& levels = student.timesteps();
  std::vector<double> sums(levels.size());
  int count = 0;
  for (std::size_t i = 0; i < sets.size(); i += std::size_t(o.every), ++count) {
    const at::Tensor clean = pad_to_multiple(as_tensor(tools::luma(tools::read_picture(sets[i].files[0]))),
                                             std::max(student.multiple(), denoiser.multiple()));
    const NoiseLevel none;
    const at::Tensor error = student.estimate(clean, {&none, 1}).error;
    const auto generator = at::detail::createCPUGenerator(std::uint64_t(i) + 1);
    for (std::size_t m = 0; m < levels.size(); ++m) {
      const double alpha_bar = denoiser.schedule().alpha_bar[std::size_t(levels[m])];
      at::Tensor mean = at::zeros_like(clean);
      for (int draw = 0; draw < o.draws; ++draw) {
        const at::Tensor xt = add_noise(clean, at::randn(clean.sizes(), generator), alpha_bar);
        mean +=
            (one_step_estimate(xt, denoiser.predict_noise(xt, {&levels[m], 1}), alpha_bar) - clean).square();
      }
      const std::int64_t cell = clean.size(2) / error.size(2);
      const at::Tensor both = at::stack({at::avg_pool2d(mean / o.draws, cell).flatten().log(),
                                         error.narrow(1, std::int64_t(m), 1).flatten().log()});
      sums[m] += at::corrcoef(both)[0][1].item<double>();
    }
  }
  std::printf("timestep,pictures,correlation of ln E\n");
  for (std::size_t m = 0; m < levels.size(); ++m)
    std::printf("%d,%d,%.3f\n", levels[m], count, sums[m] / count);
}

void evaluate(const Options& o) {
  const at::NoGradGuard no_gradients;
  const auto denoiser = open_denoiser(o.model, at::kCPU, at::kFloat);
  std::shared_ptr<const GradientStudent> student;
  if (!o.student.empty()) student = open_gradient_student(o.student, at::kCPU, at::kFloat);
  const std::filesystem::path folder = o.pictures;
  const std::vector<tools::PictureSet> sets = tools::match_pictures({&folder, 1});
  std::printf("white,column,pictures,noisy,non-local means,denoiser%s\n",
              student ? ",student,student at the estimated level,white found,column found" : "");
  for (const double sigma : o.sigmas) evaluate(o, sets, {sigma, 0}, *denoiser, student.get());
  for (const double sigma : o.columns) evaluate(o, sets, {0, sigma}, *denoiser, student.get());
  if (student && o.draws > 0) evaluate_errors(o, sets, *denoiser, *student);
}

}  // namespace

void add_evaluate_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "evaluate",
      "PSNR of a denoiser's one-step estimates on noisy photographs, beside non-local means (CSV)");
  command->option_defaults()->always_capture_default();
  command->add_option("--pictures", options->pictures, "Folder of pictures")->required();
  command->add_option("--model", options->model, "Denoiser file; empty: the embedded one");
  command->add_option("--gradient-student", options->student,
                      "Student of gradient-domain fusion to measure too");
  command->add_option("--every", options->every, "Take one picture in so many, in order of name")
      ->check(CLI::PositiveNumber);
  command->add_option("--sigma", options->sigmas, "Standard deviations of white noise, of 255")
      ->check(CLI::Range(0.5, 255.0));
  command->add_option("--column", options->columns, "Standard deviations of column noise, of 255")
      ->check(CLI::Range(0.5, 255.0));
  command
      ->add_option("--draws", options->draws,
                   "Compare the student's error maps with the denoiser's, averaged over so many noise draws")
      ->check(CLI::NonNegativeNumber);
  command->callback([options, &exit_code] {
    evaluate(*options);
    exit_code = 0;
  });
}

}  // namespace digfusion
