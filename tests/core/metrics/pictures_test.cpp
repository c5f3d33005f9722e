// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/pictures.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <iterator>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <stdexcept>

#include "core/tools/output_file.h"
#include "tests/core/metrics/temporary_folder.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

cv::Mat noise(cv::Size size, int type) {
  cv::RNG random(7);
  cv::Mat picture(size, type);
  random.fill(picture, cv::RNG::UNIFORM, 0, picture.depth() == CV_16U ? 65536 : 256);
  return picture;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

void expect_part(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "message: " << message << "\nlacks: " << part;
}

// Lets no file grow beyond `bytes`, as a full disk would, for a test's length.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_;
};

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Pictures, ComeBackAsTheyWereWritten) {
  const TemporaryFolder folder;
  for (const char* ending : {".png", ".tif", ".tiff", ".bmp", ".PNG"})
    for (const int type : {CV_8UC1, CV_8UC3, CV_8UC4, CV_16UC1, CV_16UC3, CV_16UC4}) {
      if (std::string(ending) == ".bmp" && (CV_MAT_DEPTH(type) == CV_16U || CV_MAT_CN(type) == 4)) continue;
      SCOPED_TRACE(std::string(ending) + " " + std::to_string(type));
      const cv::Mat picture = noise({31, 17}, type);
      const fs::path path = folder.path / (std::string("picture") + ending);
      write_picture(path, picture);
      const cv::Mat read = read_picture(path);
      ASSERT_EQ(read.type(), type);
      ASSERT_EQ(read.size(), picture.size());
      EXPECT_EQ(cv::norm(read, picture, cv::NORM_INF), 0.0);
    }
  cv::Mat smooth(48, 64, CV_8UC3, cv::Scalar(90, 120, 30));
  write_picture(folder.path / "picture.jpg", smooth);
  EXPECT_LE(cv::norm(read_picture(folder.path / "picture.jpg"), smooth, cv::NORM_INF), 3.0);
}

TEST(Pictures, LoseTheirAlphaWhereAFormatHasNone) {
  const TemporaryFolder folder;
  const cv::Mat picture = noise({31, 17}, CV_8UC4);
  cv::Mat opaque;
  cv::cvtColor(picture, opaque, cv::COLOR_BGRA2BGR);
  write_picture(folder.path / "picture.bmp", picture);
  EXPECT_EQ(cv::norm(read_picture(folder.path / "picture.bmp"), opaque, cv::NORM_INF), 0.0);
  write_picture(folder.path / "picture.jpg", picture);
  EXPECT_EQ(read_picture(folder.path / "picture.jpg").type(), CV_8UC3);
}

TEST(Pictures, LumaIsOpenCVsGrayOnTheScaleOf255) {
  for (const int depth : {CV_8U, CV_16U}) {
    const double scale = depth == CV_8U ? 1.0 : 257.0;
    for (const int channels : {1, 3, 4}) {
      const cv::Mat picture = noise({9, 8}, CV_MAKETYPE(depth, channels));
      cv::Mat gray = picture;
      if (channels > 1) cv::cvtColor(picture, gray, channels == 3 ? cv::COLOR_BGR2GRAY : cv::COLOR_BGRA2GRAY);
      const cv::Mat result = luma(picture);
      ASSERT_EQ(result.type(), CV_64FC1);
      for (int y = 0; y < gray.rows; ++y)
        for (int x = 0; x < gray.cols; ++x) {
          const double sample = depth == CV_8U ? gray.at<std::uint8_t>(y, x) : gray.at<std::uint16_t>(y, x);
          ASSERT_DOUBLE_EQ(result.at<double>(y, x), sample / scale);
        }
    }
  }
  EXPECT_EQ(luma(cv::Mat(1, 1, CV_16U, cv::Scalar(65535))).at<double>(0, 0), 255.0);
}

TEST(Pictures, ArePairedByStemWhateverTheirEnding) {
  const TemporaryFolder folder;
  const std::array folders{folder.path / "a", folder.path / "b"};
  for (const fs::path& path : folders) fs::create_directories(path / "sub.png");
  const cv::Mat picture = noise({8, 8}, CV_8UC1);
  write_picture(folders[0] / "10.png", picture);
  write_picture(folders[0] / "02.x.JPG", picture);
  write_picture(folders[1] / "10.tiff", picture);
  write_picture(folders[1] / "02.x.bmp", picture);
  std::ofstream(folders[1] / ".hidden.png") << "x";
  std::ofstream(folders[1] / "10.txt") << "x";
  const std::vector<PictureSet> sets = match_pictures(folders);
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(sets[0].stem, "02.x");
  EXPECT_EQ(sets[0].files, (std::vector<fs::path>{folders[0] / "02.x.JPG", folders[1] / "02.x.bmp"}));
  EXPECT_EQ(sets[1].stem, "10");
  EXPECT_EQ(sets[1].files, (std::vector<fs::path>{folders[0] / "10.png", folders[1] / "10.tiff"}));
}

TEST(Pictures, ThatAreCutShortAreRefused) {
  const TemporaryFolder folder;
  for (const char* ending : {".png", ".jpg", ".tif", ".bmp"}) {
    const fs::path path = folder.path / (std::string("whole") + ending);
    write_picture(path, noise({64, 48}, CV_8UC1));
    const std::string bytes = read_text(path);
    for (const std::size_t kept :
         {std::size_t{0}, std::size_t{3}, std::size_t{30}, bytes.size() / 2, bytes.size() - 200}) {
      SCOPED_TRACE(std::string(ending) + ": " + std::to_string(kept) + " of " + std::to_string(bytes.size()));
      const fs::path cut = folder.path / (std::string("cut") + ending);
      std::ofstream(cut, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(kept));
      expect_part(error_of([&] { read_picture(cut); }), cut.string());
    }
  }
}

TEST(Pictures, InJpegMayHaveAThumbnailAndATrailer) {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "picture.jpg";
  write_picture(path, noise({64, 48}, CV_8UC3));
  std::string bytes = read_text(path);
  bytes.insert(2, std::string("\xFF\xE1\x00\x08"
                              "ab\xFF\xD9"
                              "cd",
                              10));  // an end marker within a segment
  std::ofstream(path, std::ios::binary) << bytes << "trailer";
  EXPECT_EQ(read_picture(path).size(), cv::Size(64, 48));
  std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.size() - 300);
  expect_part(error_of([&] { read_picture(path); }), "cut short");
}

TEST(Pictures, ThatCannotBeReadAreNamedWithTheReason) {
  const TemporaryFolder folder;
  expect_part(error_of([&] { read_picture(folder.path / "none.png"); }),
              "none.png: No such file or directory");
  expect_part(error_of([&] { read_picture(folder.path); }), "Is a directory");
  const fs::path path = folder.path / "float.tif";
  ASSERT_TRUE(cv::imwrite(path.string(), cv::Mat(8, 8, CV_32F, cv::Scalar(0.5))));
  expect_part(error_of([&] { read_picture(path); }), "1 channel(s) of floating-point samples");
}

TEST(Pictures, ThatAFormatCannotHoldAreRefused) {
  const TemporaryFolder folder;
  for (const char* name : {"a.jpg", "a.bmp"})
    expect_part(error_of([&] {
                  write_picture(folder.path / name, noise({8, 8}, CV_16UC1));
                }),
                "can't hold 16-bit samples");
  expect_part(error_of([&] { write_picture(folder.path / "a.png", cv::Mat(8, 8, CV_32F, cv::Scalar(0))); }),
              "can't hold floating-point samples");
  expect_part(error_of([&] {
                write_picture(folder.path / "a.gif", noise({8, 8}, CV_8UC1));
              }),
              "its name must end in");
  expect_part(error_of([&] { write_picture(folder.path / "a.png", cv::Mat()); }), "empty");
  EXPECT_TRUE(names_in(folder.path).empty());
}

TEST(Pictures, OnAFullDiskLeaveTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "picture.png";
  write_picture(path, noise({8, 8}, CV_8UC1));
  const std::string before = read_text(path);
  std::string message;
  {
    const FileSizeLimit limit(1000);
    message = error_of([&] { write_picture(path, noise({100, 100}, CV_8UC1)); });
  }
  expect_part(message, "can't write " + path.string() + ": File too large");
  EXPECT_EQ(read_text(path), before);
  EXPECT_EQ(names_in(folder.path), std::vector<std::string>{"picture.png"});
}

TEST(OutputFile, WritesToADeviceWithoutReplacingIt) {
  const std::string text = "text";
  expect_part(error_of([&] { write_file("/dev/full", text.data(), text.size()); }),
              "can't write /dev/full: No space left on device; make room");
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  EXPECT_NO_THROW(write_file("/dev/null", text.data(), text.size()));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(OutputFile, FollowsALinkAndReplacesTheFileBehindIt) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path / "there");
  const fs::path file = folder.path / "there" / "file", link = folder.path / "link";
  write_file(file, "old text", 8);
  fs::create_symlink(file, link);
  write_file(link, "new", 3);
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(read_text(file), "new");
  EXPECT_EQ(names_in(folder.path / "there"), std::vector<std::string>{"file"});
}

TEST(OutputFile, WritesARelativeNameIntoTheCurrentFolder) {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path);
  const std::string message = error_of([] { write_file("name", "text", 4); });
  fs::current_path(before);
  EXPECT_EQ(message, "");
  EXPECT_EQ(read_text(folder.path / "name"), "text");
}

/// A folder of pictures of these names.
fs::path folder_of(const TemporaryFolder& folder, const char* name,
                   std::initializer_list<const char*> pictures) {
  const fs::path path = folder.path / name;
  fs::create_directory(path);
  for (const char* picture : pictures) std::ofstream(path / picture) << "it is never opened";
  return path;
}

TEST(PictureSets, MatchWithoutTheirEndingsWhereTheyMust) {
  const TemporaryFolder folder;
  const std::array folders{folder_of(folder, "near", {"x_A.png", "y_A.jpg"}),
                           folder_of(folder, "far", {"x_B.jpg", "y_B.jpg"}),
                           folder_of(folder, "fused", {"x.png", "y.png"})};
  const std::vector<PictureSet> sets = match_pictures(folders);
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(sets[0].stem, "x");
  EXPECT_EQ(sets[0].files,
            (std::vector<fs::path>{folders[0] / "x_A.png", folders[1] / "x_B.jpg", folders[2] / "x.png"}));
  // Equal names are equal, whatever they end in.
  const std::array same{folder_of(folder, "one", {"x_A.png"}), folder_of(folder, "two", {"x_A.png"})};
  EXPECT_EQ(match_pictures(same)[0].stem, "x_A");
  // One picture without the ending, and the names are what they are.
  const std::array mixed{folder_of(folder, "three", {"x_A.png", "z.png"}),
                         folder_of(folder, "four", {"x_B.png", "z.png"})};
  const std::string message = error_of([&] { match_pictures(mixed); });
  expect_part(message, "equal stem");
  expect_part(message, "three lacks: x_B");
}

TEST(PictureSets, OfOneFolderBelongTogetherByTheirEndings) {
  const TemporaryFolder folder;
  const fs::path path =
      folder_of(folder, "stack", {"x_y_B.png", "x_y_A.jpg", "x_y_C.png", "z_A.png", "z_B.png"});
  const std::vector<PictureSet> sets = group_pictures(path);
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(sets[0].stem, "x_y");
  EXPECT_EQ(sets[0].files,
            (std::vector<fs::path>{path / "x_y_A.jpg", path / "x_y_B.png", path / "x_y_C.png"}));
  EXPECT_EQ(sets[1].files.size(), 2u);
}

TEST(PictureSets, OfOneFolderNameWhatIsMissingOrStrange) {
  const TemporaryFolder folder;
  const auto message = [&](const char* name, std::initializer_list<const char*> pictures) {
    const fs::path path = folder_of(folder, name, pictures);
    return error_of([&] { group_pictures(path); });
  };
  expect_part(message("gap", {"x_A.png", "x_C.png", "y_A.png", "y_B.png"}), "gap lacks: x_B");
  expect_part(message("alone", {"x_A.png"}), "alone lacks: x_B");
  expect_part(message("headless", {"x_B.png", "x_C.png"}), "headless lacks: x_A");
  const std::string strange = message("strange", {"x_A.png", "x_B.png", "other.png", "_A.png", "a.png"});
  expect_part(strange, "strange some have none: _A, a, other");
  expect_part(strange, "_A, _B, …");
  expect_part(message("empty", {}), "no pictures");
  expect_part(error_of([&] { group_pictures(folder.path / "nowhere"); }), "nowhere");
}

}  // namespace
}  // namespace digfusion::tools
