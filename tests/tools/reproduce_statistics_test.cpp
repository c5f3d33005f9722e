// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `digfusion reproduce` computes and reads, without torch: statistics, data sets, the paper's figures,
// diagrams.
#include "core/tools/reproduce_statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/tools/paper_tables.h"
#include "core/tools/plot.h"
#include "core/tools/reproduce_data.h"
#include "core/tools/table.h"
#include "tests/tools/program.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

TEST(Statistics, CovarianceOfSumsIsThatOfAllPixelsTogether) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  PairSums all;
  std::vector<double> xs, ys;
  for (int scene = 0; scene < 3; ++scene) {
    PairSums sums;
    for (int i = 0; i < 50 + 20 * scene; ++i) {
      xs.push_back(scene + normal(random));
      ys.push_back(2 * xs.back() + normal(random));
      sums.add(xs.back(), ys.back());
    }
    all += sums;
  }
  double mean_x = 0, mean_y = 0, covariance = 0;
  for (std::size_t i = 0; i < xs.size(); ++i)
    mean_x += xs[i] / double(xs.size()), mean_y += ys[i] / double(xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i)
    covariance += (xs[i] - mean_x) * (ys[i] - mean_y) / double(xs.size());
  EXPECT_NEAR(all.covariance(), covariance, 1e-12);
  EXPECT_GT(covariance, 1);
  EXPECT_EQ(PairSums{}.covariance(), 0);
}

// All 5^5 resamples of five scenes, instead of some drawn at random.
TEST(Statistics, BootstrapGivesTheQuantilesOfAllResamples) {
  constexpr std::size_t count = 5;
  const double values[count] = {1.0, 2.5, 2.7, 4.2, 9.0};
  const Statistic mean = [&](std::span<const std::size_t> scenes) {
    double sum = 0;
    for (const std::size_t scene : scenes) sum += values[scene] / double(scenes.size());
    return sum;
  };
  std::vector<double> all;
  for (int code = 0; code < 3125; ++code) {
    std::vector<std::size_t> scenes;
    for (int rest = code, i = 0; i < 5; ++i, rest /= 5) scenes.push_back(std::size_t(rest % 5));
    all.push_back(mean(scenes));
  }
  std::sort(all.begin(), all.end());
  const Estimate estimate = bootstrap(count, mean, 20000);
  EXPECT_NEAR(estimate.value, 3.88, 1e-12);
  EXPECT_NEAR(estimate.low, quantile(all, .025), .06);
  EXPECT_NEAR(estimate.high, quantile(all, .975), .06);
  EXPECT_TRUE(estimate.above_zero());
  EXPECT_FALSE(estimate.below_zero());

  const Estimate again = bootstrap(count, mean, 500, 3), same = bootstrap(count, mean, 500, 3);
  EXPECT_EQ(again.low, same.low);
  EXPECT_NE(again.low, bootstrap(count, mean, 500, 4).low);
  const Estimate alone = bootstrap(1, mean);
  EXPECT_EQ(alone.low, 1.0);
  EXPECT_EQ(alone.high, 1.0);
}

TEST(Statistics, QuantilesLieBetweenValues) {
  const double values[] = {1, 2, 4};
  EXPECT_EQ(quantile(values, 0), 1);
  EXPECT_EQ(quantile(values, .25), 1.5);
  EXPECT_EQ(quantile(values, .75), 3);
  EXPECT_EQ(quantile(values, 1), 4);
}

TEST(Statistics, RanksShareTiedPlaces) {
  const std::vector<float> values = {3, 1, 3, 2};
  EXPECT_EQ(relative_ranks(values), (std::vector<double>{3. / 4, .5 / 4, 3. / 4, 1.5 / 4}));
  // Larger is better in the first column, smaller in the second.
  EXPECT_EQ(mean_ranks({{10, 1}, {20, 3}, {20, 2}}, {true, false}), (std::vector<double>{2, 2.25, 1.75}));
}

TEST(PaperTables, HoldTheFiguresOfThePaper) {
  EXPECT_EQ(paper_figures().size(), 338u);
  EXPECT_EQ(paper_columns(1), (Words{"PSNR", "SSIM", "MSE", "Nabf", "CC", "LPIPS"}));
  EXPECT_EQ(paper_columns(2), (Words{"SD", "EI", "EN", "AG", "SF", "MI"}));
  EXPECT_EQ(paper_columns(5), (Words{"SSIM", "MSE", "CC", "LPIPS", "seconds"}));
  const auto value = [](int table, const std::string& dataset, const std::string& method,
                        const std::string& metric) {
    for (const PaperFigure& f : paper_figures())
      if (f.table == table && f.dataset == dataset && f.method == method && f.metric == metric)
        return f.value;
    return std::nan("");
  };
  EXPECT_EQ(value(1, "LLVIP", "SwinFusion", "PSNR"), 32.33);
  EXPECT_EQ(value(2, "MEFB", "Dig2DIG", "SF"), 23.60);
  EXPECT_EQ(value(4, "M3FD", "S=10", "CC"), .5728);
  EXPECT_EQ(value(5, "M3FD", "DDFM", "seconds"), 180);
}

TEST(Table, QuotesAndAligns) {
  EXPECT_EQ(csv_table({{"a", "b,c"}, {"d\"e", "1"}}), "a,\"b,c\"\n\"d\"\"e\",1\n");
  EXPECT_EQ(markdown_table({{"ζ", "value"}, {"long name", "1.5"}}),
            "| ζ         | value |\n|-----------|------:|\n| long name |   1.5 |\n");
}

class Diagrams : public ProgramTest {};

Plot some_plot() {
  Panel curves{.title = "a \"title\"", .x_label = "t", .y_label = "y"};
  curves.curves = {{"with a band", {3, 2, 1}, {0, std::nan(""), .5}, {-1, 0, 0}, {1, 1, 1}, 0},
                   {"plain", {3, 1}, {1, 0}, {}, {}, 1}};
  curves.falling_x = true;
  Panel bars{.title = "bars", .x_label = "", .y_label = ""};
  bars.bars = {{"one", 1.25, 0}, {"none", std::nan(""), 1}, {"three", -3, 2}};
  return {"both kinds", {curves, bars}, 2};
}

TEST_F(Diagrams, ScriptHoldsTheData) {
  const std::string script = plot_script(some_plot(), "x.png");
  for (const char* part : {"set output \"x.png\"", "a \\\"title\\\"", "3 0 -1 1\n1 0.5 0 1\nEND",
                           "\"three\" 2", "set multiplot layout 1,2", "0 1.25 0x0072B2 \"one\"\n2 -3 "})
    expect_part(script, part);
  EXPECT_EQ(script.find("nan"), std::string::npos);
}

TEST_F(Diagrams, AreDrawnOrTheReasonIsTold) {
  const auto reason = write_plot(some_plot(), at("plot.png"));
  expect_part(read_text(at("plot.gp")), "set terminal pngcairo");
  if (reason) {
    expect_part(*reason, "gnuplot-nox");
    GTEST_SKIP() << *reason;
  }
  const cv::Mat drawn = read_picture(at("plot.png"));
  EXPECT_EQ(drawn.cols, 880);
  cv::Mat gray = luma(drawn);
  EXPECT_GT(cv::countNonZero(gray < 250), 2000);
}

class Datasets : public ProgramTest {
 protected:
  std::string refusal(const fs::path& path, Task task) {
    try {
      find_datasets(path, {&task, 1}, 0);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "nothing was thrown";
  }
};

TEST_F(Datasets, AreTheFolderItselfOrThoseInIt) {
  for (int i = 0; i < 7; ++i) {
    const std::string stem = std::string(1, char('a' + i));
    write("all/streets/visible/" + stem + ".png", picture(i));
    write("all/streets/infrared/" + stem + ".bmp", picture(i + 10));
  }
  write("all/macro/a/x_A.png", picture(1));
  write("all/macro/b/x_B.png", picture(2));
  write("all/clips/visible/readme.txt", "no picture");
  write("all/clips/infrared/readme.txt", "no picture");

  const Task streets = Task::visible_infrared, both[] = {Task::focus, Task::exposure};
  const auto whole = find_datasets(at("all"), {&streets, 1}, 0);
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].name, "streets");
  EXPECT_EQ(whole[0].pairs.size(), 7u);
  const auto some = find_datasets(at("all/streets/"), {&streets, 1}, 3);
  ASSERT_EQ(some.size(), 1u);
  EXPECT_EQ(some[0].name, "streets");
  ASSERT_EQ(some[0].pairs.size(), 3u);
  EXPECT_EQ(some[0].pairs[0].stem + some[0].pairs[1].stem + some[0].pairs[2].stem, "ace");
  const auto macro = find_datasets(at("all"), both, 0);
  ASSERT_EQ(macro.size(), 1u);
  EXPECT_EQ(macro[0].task, Task::focus);

  expect_part(refusal(at("none"), streets), "there is no folder");
  expect_part(refusal(at("all"), Task::exposure), "over and under");
}

TEST_F(Datasets, PairsAreScaledToTheWantedSize) {
  PictureSet pair{
      "p",
      {write("v.png", picture(1, CV_8UC3, {200, 100})), write("i.png", picture(2, CV_8UC1, {200, 100}))}};
  const auto small = read_pair(pair, 50);
  EXPECT_EQ(small[0].size(), cv::Size(50, 25));
  EXPECT_EQ(small[1].size(), cv::Size(50, 25));
  EXPECT_NEAR(cv::mean(small[1])[0], cv::mean(luma(picture(2, CV_8UC1, {200, 100})))[0], .01);
  EXPECT_EQ(read_pair(pair, 300)[0].size(), cv::Size(200, 100));
  EXPECT_EQ(read_pair(pair, 0)[0].size(), cv::Size(200, 100));
  pair.files[1] = write("other.png", picture(2));
  EXPECT_THROW(read_pair(pair, 0), std::runtime_error);
}

TEST_F(Datasets, WhiteStaysWhiteAtEverySize) {
  const std::string white = write("white.png", cv::Mat(100, 200, CV_8U, cv::Scalar(255)));
  const PictureSet pair{"p", {white, white}};
  for (int size = 1; size < 200; ++size) {
    double least = 0, most = 0;
    cv::minMaxLoc(read_pair(pair, size)[0], &least, &most);
    EXPECT_NEAR(least, 255, 1e-4) << size;
    EXPECT_LE(most, 255) << size;  // metrics refuse more
  }
}

}  // namespace
}  // namespace digfusion::tools
