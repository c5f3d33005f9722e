// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion evaluate`: how well a denoiser denoises photographs that it has never seen, beside non-local
// means.
#include <ATen/ATen.h>
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
  std::string pictures, model;
  int every = 2;
  std::vector<double> sigmas = {10, 22, 50};
};

double psnr(const cv::Mat& a, const cv::Mat& b) {
  const double mse = cv::norm(a, b, cv::NORM_L2SQR) / double(a.total());
  return 10 * std::log10(255 * 255 / std::max(mse, 1e-10));
}

/// One evaluation at the timestep whose noise is nearest to sigma (of 255); noisy is CV_64F on 0..255.
cv::Mat denoise(const Denoiser& denoiser, const cv::Mat& noisy, double sigma) {
  const int t = denoiser.schedule().timestep_of(sigma / 127.5);
  const double alpha_bar = denoiser.schedule().alpha_bar[std::size_t(t)];
  const std::int64_t h = noisy.rows, w = noisy.cols;
  const at::Tensor y = at::from_blob(noisy.data, {1, 1, h, w}, at::kDouble).to(at::kFloat) / 127.5 - 1;
  const at::Tensor xt = pad_to_multiple(y, denoiser.multiple()) * std::sqrt(alpha_bar);
  const at::Tensor estimate = one_step_estimate(xt, denoiser.predict_noise(xt, {&t, 1}), alpha_bar);
  const at::Tensor luma =
      ((estimate.narrow(2, 0, h).narrow(3, 0, w) + 1) * 127.5).to(at::kDouble).contiguous();
  return cv::Mat(noisy.rows, noisy.cols, CV_64F, luma.data_ptr<double>()).clone();
}

void evaluate(const Options& o) {
  const at::NoGradGuard no_gradients;
  const auto denoiser = open_denoiser(o.model, at::kCPU, at::kFloat);
  const std::filesystem::path folder = o.pictures;
  const std::vector<tools::PictureSet> sets = tools::match_pictures({&folder, 1});
  std::printf("sigma,pictures,noisy,non-local means,denoiser\n");
  for (const double sigma : o.sigmas) {
    double sums[3] = {};
    int count = 0;
    cv::RNG rng(std::uint64_t(1 + sigma));
    for (std::size_t i = 0; i < sets.size(); i += std::size_t(o.every)) {
      const cv::Mat clean = tools::luma(tools::read_picture(sets[i].files[0]));
      cv::Mat noise(clean.size(), CV_64F);
      rng.fill(noise, cv::RNG::NORMAL, 0, sigma);
      const cv::Mat noisy = clean + noise;
      cv::Mat bytes, means;
      noisy.convertTo(bytes, CV_8U);
      cv::fastNlMeansDenoising(bytes, means, float(sigma), 7, 21);
      means.convertTo(means, CV_64F);
      const double figures[3] = {psnr(noisy, clean), psnr(means, clean),
                                 psnr(denoise(*denoiser, noisy, sigma), clean)};
      for (int k = 0; k < 3; ++k) sums[k] += figures[k];
      ++count;
    }
    std::printf("%g,%d,%.2f,%.2f,%.2f\n", sigma, count, sums[0] / count, sums[1] / count, sums[2] / count);
    std::fflush(stdout);
  }
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
  command->add_option("--every", options->every, "Take one picture in so many, in order of name")
      ->check(CLI::PositiveNumber);
  command->add_option("--sigma", options->sigmas, "Standard deviations of white noise, of 255")
      ->check(CLI::Range(0.5, 255.0));
  command->callback([options, &exit_code] {
    evaluate(*options);
    exit_code = 0;
  });
}

}  // namespace digfusion
