// SPDX-License-Identifier: LGPL-2.1-or-later
//
// LPIPS with weights that an integer formula gives: against figures of the Python package and against plain
// loops in float64.
#include "core/metrics/lpips/lpips.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>

#include "core/denoiser/safetensors.h"
#include "core/interface/error.h"
#include "core/tools/pictures.h"
#include "core/tools/subprocess.h"
#include "tests/core/metrics/temporary_folder.h"

namespace digfusion::metrics {
namespace {

/// 0..1, element i of tensor number `salt`.
double number(std::uint32_t i, std::uint32_t salt) {
  std::uint32_t h = (i + 1 + salt * 1000003u) * 2654435761u;
  h ^= h >> 15;
  h *= 2246822519u;
  return (h ^ h >> 13) / 4294967296.0;
}

at::Tensor tensor(at::IntArrayRef shape, std::uint32_t salt, double low, double high) {
  at::Tensor result = at::empty(shape, at::kFloat);
  for (std::int64_t i = 0; i < result.numel(); ++i)
    result.data_ptr<float>()[i] = float(low + (high - low) * number(std::uint32_t(i), salt));
  return result;
}

cv::Mat picture(int width, int height, int salt) {
  cv::Mat result(height, width, CV_64F);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      result.at<double>(y, x) = (x * x * 3 + y * 5 * (salt + 1) + x * y) / 8 % 192 +
                                64 * number(std::uint32_t(y * width + x), std::uint32_t(salt));
  return result;
}

struct Shape {
  const char* name;
  int in, out, kernel, stride, padding;
  bool pooled_before;
};
constexpr Shape shapes[] = {{"features.0", 3, 64, 11, 4, 2, false},
                            {"features.3", 64, 192, 5, 1, 2, true},
                            {"features.6", 192, 384, 3, 1, 1, true},
                            {"features.8", 384, 256, 3, 1, 1, false},
                            {"features.10", 256, 256, 3, 1, 1, false}};

struct Weights {
  TensorMap backbone, linear;
};

Weights formula_weights() {
  Weights weights;
  for (std::uint32_t k = 0; k < std::size(shapes); ++k) {
    const Shape& s = shapes[k];
    const double reach = std::sqrt(6.0 / (s.in * s.kernel * s.kernel));
    const std::string name = s.name;
    weights.backbone[name + ".weight"] = tensor({s.out, s.in, s.kernel, s.kernel}, 3 * k, -reach, reach);
    weights.backbone[name + ".bias"] = tensor({s.out}, 3 * k + 1, -.1, .1);
    weights.linear["lin" + std::to_string(k) + ".model.1.weight"] = tensor({1, s.out, 1, 1}, 3 * k + 2, 0, 1);
  }
  weights.backbone["classifier.1.bias"] = at::zeros({4096});  // as in torchvision's file; not read
  return weights;
}

const Weights& weights() {
  static const Weights once = formula_weights();
  return once;
}

const Lpips& lpips() {
  static const Lpips once(weights().backbone, weights().linear);
  return once;
}

// --- the same as loops: [channel][row][column]

using Maps = std::vector<std::vector<std::vector<double>>>;

Maps maps(std::size_t channels, int height, int width) {
  return Maps(channels, std::vector(std::size_t(height), std::vector<double>(std::size_t(width))));
}

Maps pooled(const Maps& x) {
  const int height = (int(x[0].size()) - 3) / 2 + 1, width = (int(x[0][0].size()) - 3) / 2 + 1;
  Maps result = maps(x.size(), height, width);
  for (std::size_t c = 0; c < x.size(); ++c)
    for (int i = 0; i < height; ++i)
      for (int j = 0; j < width; ++j) {
        double largest = -1;
        for (int v = 0; v < 3; ++v)
          for (int u = 0; u < 3; ++u)
            largest = std::max(largest, x[c][std::size_t(2 * i + v)][std::size_t(2 * j + u)]);
        result[c][std::size_t(i)][std::size_t(j)] = largest;
      }
  return result;
}

Maps convolved(const Maps& x, const Shape& s, const float* weight, const float* bias) {
  const int rows = int(x[0].size()), columns = int(x[0][0].size());
  const int height = (rows + 2 * s.padding - s.kernel) / s.stride + 1;
  const int width = (columns + 2 * s.padding - s.kernel) / s.stride + 1;
  Maps result = maps(std::size_t(s.out), height, width);
  for (int o = 0; o < s.out; ++o)
    for (int i = 0; i < height; ++i)
      for (int j = 0; j < width; ++j) {
        double sum = bias[o];
        for (int c = 0; c < s.in; ++c)
          for (int v = 0; v < s.kernel; ++v)
            for (int u = 0; u < s.kernel; ++u) {
              const int y = i * s.stride + v - s.padding, z = j * s.stride + u - s.padding;
              if (y < 0 || y >= rows || z < 0 || z >= columns) continue;
              sum += x[std::size_t(c)][std::size_t(y)][std::size_t(z)] *
                     double(weight[((o * s.in + c) * s.kernel + v) * s.kernel + u]);
            }
        result[std::size_t(o)][std::size_t(i)][std::size_t(j)] = std::max(sum, 0.0);
      }
  return result;
}

std::vector<Maps> twin_features(const cv::Mat& luma) {
  constexpr double shift[] = {-.030, -.088, -.188}, scale[] = {.458, .448, .450};
  Maps x = maps(3, luma.rows, luma.cols);
  for (std::size_t c = 0; c < 3; ++c)
    for (int i = 0; i < luma.rows; ++i)
      for (int j = 0; j < luma.cols; ++j)
        x[c][std::size_t(i)][std::size_t(j)] = (luma.at<double>(i, j) / 127.5 - 1 - shift[c]) / scale[c];
  std::vector<Maps> result;
  for (const Shape& s : shapes) {
    if (s.pooled_before) x = pooled(x);
    const std::string name = s.name;
    x = convolved(x, s, weights().backbone.at(name + ".weight").const_data_ptr<float>(),
                  weights().backbone.at(name + ".bias").const_data_ptr<float>());
    result.push_back(x);
  }
  return result;
}

double twin_distance(const cv::Mat& a, const cv::Mat& b) {
  const std::vector<Maps> of_a = twin_features(a), of_b = twin_features(b);
  double total = 0;
  for (std::size_t k = 0; k < of_a.size(); ++k) {
    const float* linear =
        weights().linear.at("lin" + std::to_string(k) + ".model.1.weight").const_data_ptr<float>();
    const std::size_t height = of_a[k][0].size(), width = of_a[k][0][0].size();
    double sum = 0;
    for (std::size_t i = 0; i < height; ++i)
      for (std::size_t j = 0; j < width; ++j) {
        double length_a = 0, length_b = 0;
        for (std::size_t c = 0; c < of_a[k].size(); ++c) {
          length_a += of_a[k][c][i][j] * of_a[k][c][i][j];
          length_b += of_b[k][c][i][j] * of_b[k][c][i][j];
        }
        for (std::size_t c = 0; c < of_a[k].size(); ++c) {
          const double apart = of_a[k][c][i][j] / (std::sqrt(length_a) + 1e-10) -
                               of_b[k][c][i][j] / (std::sqrt(length_b) + 1e-10);
          sum += linear[c] * apart * apart;
        }
      }
    total += sum / double(height * width);
  }
  return total;
}

// The figures are those of lpips 0.1.4 with torch 2.11 and torchvision 0.26, by these lines:
// clang-format off
//     import lpips, numpy, torch
//     def number(i, salt):
//         h = (i + 1 + salt * 1000003) * 2654435761 & 0xffffffff
//         h ^= h >> 15
//         h = h * 2246822519 & 0xffffffff
//         return (h ^ h >> 13) / 2.0**32
//     def tensor(shape, salt, low, high):
//         n = [low + (high - low) * number(i, salt) for i in range(int(numpy.prod(shape)))]
//         return torch.tensor(n, dtype=torch.float64).float().view(shape)
//     def picture(width, height, salt):
//         p = [[(x * x * 3 + y * 5 * (salt + 1) + x * y) // 8 % 192 + 64 * number(y * width + x, salt)
//               for x in range(width)] for y in range(height)]
//         return (torch.tensor(p, dtype=torch.float64) / 127.5 - 1).float().expand(1, 3, -1, -1)
//     net = lpips.LPIPS(pretrained=False, pnet_rand=True)
//     s = net.net
//     for k, c in enumerate([s.slice1[0], s.slice2[1], s.slice3[1], s.slice4[0], s.slice5[0]]):
//         r = (6 / c.weight[0].numel()) ** .5
//         c.weight.data = tensor(c.weight.shape, 3 * k, -r, r)
//         c.bias.data = tensor(c.bias.shape, 3 * k + 1, -.1, .1)
//         net.lins[k].model[1].weight.data = tensor((1, c.out_channels, 1, 1), 3 * k + 2, 0, 1)
//     net.eval()
//     with torch.no_grad():
//         for size in ((70, 50), (31, 40)): print(net(picture(*size, 100), picture(*size, 101)).item())
// clang-format on
TEST(Lpips, IsThePythonPackagesFigure) {
  EXPECT_NEAR(lpips().distance(picture(70, 50, 100), picture(70, 50, 101)), 0.536411524, 2e-6);
  EXPECT_NEAR(lpips().distance(picture(31, 40, 100), picture(31, 40, 101)), 0.54628861, 2e-6);
}

TEST(Lpips, IsWhatPlainLoopsInFloat64Give) {
  const cv::Mat a = picture(43, 35, 3), b = picture(43, 35, 4);
  EXPECT_NEAR(lpips().distance(a, b), twin_distance(a, b), 2e-6);
}

TEST(Lpips, IsZeroForEqualPicturesAndSymmetric) {
  const cv::Mat a = picture(64, 48, 1), b = picture(64, 48, 2);
  EXPECT_EQ(lpips().distance(a, a), 0);
  EXPECT_GT(lpips().distance(a, b), 1e-3);
  EXPECT_NEAR(lpips().distance(a, b), lpips().distance(b, a), 1e-7);
  // A part of a larger picture, whose rows don't follow each other in memory.
  const cv::Rect part(3, 5, 40, 36);
  EXPECT_EQ(lpips().distance(a(part), b(part)), lpips().distance(a(part).clone(), b(part).clone()));
}

TEST(Lpips, RefusesPicturesThatItCantMeasure) {
  const cv::Mat a = picture(40, 40, 1);
  EXPECT_THROW(lpips().distance(a, picture(41, 40, 1)), std::invalid_argument);
  EXPECT_THROW(lpips().distance(picture(40, 30, 1), picture(40, 30, 1)), std::invalid_argument);
  EXPECT_THROW(lpips().distance(cv::Mat(40, 40, CV_8U), a), std::invalid_argument);
}

template <class Function>
std::string message_of(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::model);
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Lpips, NamesTheTensorThatIsMissingOrOfAnotherShape) {
  Weights w = weights();
  w.backbone["features.6.weight"] = at::zeros({384, 192, 5, 5});
  EXPECT_EQ(message_of([&] { Lpips(w.backbone, w.linear); }),
            "LPIPS: tensor features.6.weight is [384,192,5,5], expected [384,192,3,3]");
  EXPECT_NE(message_of([&] { Lpips(w.linear, w.backbone); }).find("features.0.weight, which isn't there"),
            std::string::npos);
}

class LpipsFiles : public testing::Test {
 protected:
  void write() const {
    write_safetensors((folder.path / "alexnet-owt.safetensors").string(), {weights().backbone, {}});
    write_safetensors((folder.path / "alex.safetensors").string(), {weights().linear, {}});
  }
  std::string refusal() const {
    return message_of([&] { read_lpips(folder.path); });
  }
  TemporaryFolder folder;
};

TEST_F(LpipsFiles, AreFoundInAFolder) {
  EXPECT_NE(refusal().find("lacks AlexNet"), std::string::npos);
  write();
  const cv::Mat a = picture(40, 40, 1), b = picture(40, 40, 2);
  EXPECT_EQ(read_lpips(folder.path).distance(a, b), lpips().distance(a, b));
  std::ofstream(folder.path / "alexnet.pth") << "x";
  EXPECT_NE(refusal().find("holds both"), std::string::npos);
  std::filesystem::remove(folder.path / "alexnet.pth");
  std::filesystem::remove(folder.path / "alex.safetensors");
  EXPECT_NE(refusal().find("lacks LPIPS' linear layers"), std::string::npos);
  EXPECT_NE(message_of([&] { read_lpips(folder.path / "none"); }).find("can't list folder"),
            std::string::npos);
}

TEST_F(LpipsFiles, GiveScoreItsColumn) {
  write();
  const auto score = [&](std::vector<std::string> words) {
    std::vector<std::string> command = {std::getenv("DIGFUSION_PROGRAM"), "score"};
    for (const char* name : {"visible", "infrared", "fused"}) {
      command.push_back(std::string("--") + name);
      command.push_back((folder.path / name).string());
    }
    command.insert(command.end(), words.begin(), words.end());
    return tools::run_process(command);
  };
  std::vector<cv::Mat> lumas;
  for (const char* name : {"visible", "infrared", "fused"}) {
    std::filesystem::create_directory(folder.path / name);
    cv::Mat bytes;
    picture(64, 48, int(lumas.size())).convertTo(bytes, CV_8U);
    tools::write_picture(folder.path / name / "a.png", bytes);
    lumas.push_back(tools::luma(bytes));
  }
  const tools::ProcessResult result = score({"--lpips", folder.path.string(), "--baselines"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out.substr(0, result.out.find('\n')),
            "method,picture,EN,SD,SF,AG,EI,MI,MSE,PSNR,CC,SCD,SSIM,VIFF,Qabf,Nabf,LPIPS");
  const std::size_t row = result.out.find("\nfused,mean,");
  ASSERT_NE(row, std::string::npos);
  const std::string line = result.out.substr(row + 1, result.out.find('\n', row + 1) - row - 1);
  EXPECT_NEAR(std::stod(line.substr(line.rfind(',') + 1)),
              (lpips().distance(lumas[0], lumas[2]) + lpips().distance(lumas[1], lumas[2])) / 2, 2e-6);

  EXPECT_EQ(score({"--lpips-backbone", "x.pth"}).exit_code, 2);
  const tools::ProcessResult none = score({"--lpips", (folder.path / "none").string()});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_NE(none.err.find("can't list folder"), std::string::npos) << none.err;
}

}  // namespace
}  // namespace digfusion::metrics
