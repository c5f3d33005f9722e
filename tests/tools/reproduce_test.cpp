// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion reproduce` as a user runs it, on small pictures.
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "core/tools/pictures.h"
#include "tests/tools/program.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

class Reproduce : public ProgramTest {
 protected:
  Reproduce() {
    for (int i = 0; i < 2; ++i) {
      const std::string stem = std::to_string(i) + ".png";
      write("data/streets/visible/" + stem, picture(i));
      write("data/streets/infrared/" + stem, picture(i + 10));
    }
  }
  ProcessResult run(const Words& words) const {
    Words all = {"reproduce"};
    all.insert(all.end(), words.begin(), words.end());
    all.insert(all.end(), {"--output", at("out"), "--threads", "1"});
    return digfusion(all);
  }
  std::string result(const std::string& name) const { return read_text(fs::path(at("out")) / name); }
  /// Fields of the first line that begins with `begin`.
  static Words row(const std::string& csv, const std::string& begin) {
    std::istringstream lines(csv);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(begin)) {
        Words fields;
        std::istringstream rest(line);
        for (std::string field; std::getline(rest, field, ',');) fields.push_back(field);
        return fields;
      }
    ADD_FAILURE() << "no row " << begin << " in\n" << csv;
    return {};
  }
};

/// Without gnuplot there is one line about that.
void expect_done(const ProcessResult& result) {
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.err.empty() || result.err.find("gnuplot-nox") != std::string::npos) << result.err;
}

TEST_F(Reproduce, Table4CountsEvaluationsAndShowsBaselinesAndThePaper) {
  const ProcessResult result = run({"table4", "--data", at("data")});
  expect_done(result);
  expect_part(result.out, "embedded luma denoiser");
  const std::string csv = this->result("table4.csv");
  // 25 steps, and the levels 25, 5, 3, 2 of two sources, one draw.
  for (const auto& [name, evaluations] :
       {std::pair{"S=1", "75"}, {"S=5", "35"}, {"S=10", "31"}, {"S=20", "29"}}) {
    const Words fields = row(csv, std::string("ours,streets,") + name + ",2,");
    ASSERT_EQ(fields.size(), 24u);
    EXPECT_EQ(std::stod(fields[22]), std::stod(evaluations)) << name;
  }
  for (const char* baseline : {"average", "maximum", "laplacian"})
    row(csv, std::string("baseline,streets,") + baseline + ",2,");
  row(csv, "paper,M3FD,S=10,,");
  const std::string page = this->result("table4.md");
  for (const char* part : {"| S=10 ", "| average ", "| paper: S=10 ", "embedded luma denoiser",
                           "LPIPS is missing", "interval=20"})
    expect_part(page, part);
  EXPECT_FALSE(equal(read_picture(at("out/pictures/streets/s-1/0.png")),
                     read_picture(at("out/pictures/streets/s-10/0.png"))));
  EXPECT_EQ(read_picture(at("out/pictures/streets/s-1/1.png")).size(), cv::Size(64, 48));
}

TEST_F(Reproduce, SaysOnceThatDiagramsAreLeftOut) {
  write("data/roads/visible/0.png", picture(3));
  write("data/roads/infrared/0.png", picture(13));
  const char* path = std::getenv("PATH");
  const std::string before = path ? path : "";
  ::setenv("PATH", at("nowhere").c_str(), 1);  // without gnuplot
  const ProcessResult result = run({"table4", "--data", at("data"), "--limit", "1", "--steps", "1"});
  ::setenv("PATH", before.c_str(), 1);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::size_t first = result.err.find("gnuplot-nox");
  EXPECT_NE(first, std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("gnuplot-nox", first + 1), std::string::npos) << result.err;
  for (const char* name : {"out/table4_streets", "out/table4_roads"}) {
    EXPECT_TRUE(fs::exists(at(std::string(name) + ".gp")));
    EXPECT_FALSE(fs::exists(at(std::string(name) + ".png")));
  }
}

TEST_F(Reproduce, FiguresAreThoseOfScoreOnTheSamePictures) {
  expect_done(run({"table3", "--data", at("data/streets"), "--limit", "1", "--steps", "3"}));
  const ProcessResult score =
      digfusion({"score", "--visible", at("one/v"), "--infrared", at("one/i"), "--fused", at("one/f")});
  EXPECT_EQ(score.exit_code, 1);  // no folders yet
  for (const auto& [from, to] : {std::pair{"data/streets/visible/0.png", "one/v"},
                                 {"data/streets/infrared/0.png", "one/i"},
                                 {"out/pictures/streets/distance-l1/0.png", "one/f"}}) {
    fs::create_directories(at(to));
    fs::copy(at(from), at(to));
  }
  const ProcessResult again =
      digfusion({"score", "--visible", at("one/v"), "--infrared", at("one/i"), "--fused", at("one/f")});
  expect_success(again);
  const Words ours = row(result("table3_pictures.csv"), "distance=l1,streets/0,"),
              scored = row(again.out, "fused,0,");
  ASSERT_EQ(ours.size(), scored.size());
  for (std::size_t i = 2; i < ours.size(); ++i) EXPECT_EQ(ours[i], scored[i]);
}

TEST_F(Reproduce, GoesOnWhereAnEarlierRunWas) {
  const Words words = {"table3", "--data", at("data"), "--steps", "2", "--quiet"};
  Words one = words;
  one.insert(one.end(), {"--limit", "1"});
  expect_done(run(one));
  const auto time_of = [&](const char* name) {
    return fs::last_write_time(at(std::string("out/pictures/streets/distance-l2/") + name));
  };
  const auto first = time_of("0.png");
  expect_done(run(words));
  EXPECT_EQ(time_of("0.png"), first);
  EXPECT_TRUE(fs::exists(at("out/pictures/streets/distance-l2/1.png")));
  EXPECT_EQ(row(result("table3.csv"), "ours,streets,distance=l2,")[3], "2");
  // Other settings are other pictures.
  Words other = words;
  other.insert(other.end(), {"--seed", "9"});
  expect_done(run(other));
  EXPECT_NE(time_of("0.png"), first);
}

TEST_F(Reproduce, Table1And2And5RunTheirMethods) {
  for (int i = 0; i < 2; ++i) {
    const std::string letter = i == 0 ? "a" : "b";
    write("data/macro/" + letter + "/x_" + (i == 0 ? "A" : "B") + ".png", picture(i));
    write("data/bracket/" + std::string(i == 0 ? "over" : "under") + "/1.png", picture(i + 5));
  }
  const Words tail = {"--data", at("data"), "--limit", "1", "--quiet"};
  for (const char* table : {"table1", "table2", "table5"}) {
    Words words = {table};
    words.insert(words.end(), tail.begin(), tail.end());
    expect_done(run(words));
  }
  const std::string one = result("table1.csv"), two = result("table2.csv"), five = result("table5.csv");
  EXPECT_EQ(std::stod(row(one, "ours,streets,EM-100 (DDFM),")[22]), 100);
  EXPECT_EQ(std::stod(row(one, "ours,streets,gradient,")[22]), 2);
  row(one, "paper,LLVIP,Dig2DIG,");
  row(two, "ours,macro,\"amortised");
  row(two, "ours,bracket,DIG-25,1,");
  row(two, "paper,MFFW,Dig2DIG,");
  row(two, "paper,MEFB,Dig2DIG,");
  EXPECT_GT(std::stod(row(five, "ours,streets,DIG-50,")[21]), 0);
  EXPECT_EQ(std::stod(row(five, "paper,M3FD,DDFM,")[21]), 180);
  expect_part(result("table5.md"), "time over DIG-25's");
}

TEST_F(Reproduce, Figure5WritesCurvesThatStartAt0) {
  expect_done(run({"figure5", "--data", at("data"), "--steps", "4"}));
  const std::string csv = result("figure5.csv");
  EXPECT_TRUE(csv.starts_with("region,modality,step,t,mean,variance\n"));
  EXPECT_EQ(row(csv, "picture,visible,0,")[4], "0.000000");
  EXPECT_EQ(row(csv, "C,infrared,4,")[3], "0");
  EXPECT_GT(std::stod(row(csv, "picture,infrared,4,")[4]), 1e-4);
  expect_part(result("figure5.md"), "Chosen by the gain");
  EXPECT_EQ(read_picture(at("out/figure5_regions.png")).cols, 128);

  expect_done(run({"figure5", "--data", at("data"), "--steps", "2", "--region", "0,0,16,16", "--region",
                   "16,16,8,8", "--region", "40,20,24,28"}));
  expect_part(result("figure5.md"), "40,20,24,28");
  expect_part(
      run({"figure5", "--data", at("data"), "--steps", "2", "--region", "0,0,16,16", "1,1,4,4", "60,0,16,16"})
          .err,
      "isn't within");
}

TEST_F(Reproduce, Theorem1ReportsEveryStep) {
  expect_done(run({"theorem1", "--limit", "4", "--size", "64", "--steps", "4", "--interval", "2"}));
  const std::string csv = result("theorem1.csv");
  for (const char* weights : {"information gain", "shuffled", "rank", "equal (w = 1/K)"})
    for (int step = 0; step < 4; ++step) {
      std::string found;
      std::istringstream lines(csv);
      for (std::string line; std::getline(lines, line);)
        if (line.starts_with(std::to_string(step) + ",") &&
            line.find(std::string(",") + weights + ",zeta,") != std::string::npos)
          found = line;
      EXPECT_FALSE(found.empty()) << weights << step;
    }
  // The two sources' weights go against each other; equal ones have no covariance.
  const std::string page = result("theorem1.md");
  for (const char* part :
       {"What came out", "| information gain", "| shuffled", "4 generated scenes of 64x48"})
    expect_part(page, part);
  const Words equal = row(csv.substr(csv.find("equal (w = 1/K),covariance sum") - 6), "0,999,equal");
  ASSERT_EQ(equal.size(), 7u);
  EXPECT_NEAR(std::stod(equal[4]), 0, 1e-9);
}

TEST_F(Reproduce, SaysWhatIsWrong) {
  expect_failure(run({"table9"}), 2, {"table1"});
  expect_failure(run({"table1"}), 2, {"--data"});
  expect_failure(run({"figure5", "--data", at("data"), "--region", "1,2,3"}), 2, {"--region"});
  expect_failure(run({"table2", "--data", at("data")}), 1, {"over and under"});
  expect_failure(run({"table1", "--data", at("nowhere")}), 1, {"there is no folder"});
  expect_failure(run({"theorem1", "--guidance", "em"}), 1, {"guidance=em"});
  expect_failure(run({"figure5", "--data", at("data"), "--distance", "none"}), 1, {"distance=none"});
  write("data/streets/visible/extra.png", picture(3));
  expect_part(run({"table1", "--data", at("data")}).err, "lacks: extra");
}

}  // namespace
}  // namespace digfusion::tools
