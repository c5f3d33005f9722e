// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/calibrate.h"

#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <stdexcept>

#include "core/image/registration.h"
#include "core/tools/checkerboard.h"
#include "core/tools/console.h"
#include "core/tools/output_file.h"
#include "core/tools/pictures.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

constexpr int not_sure = 3;

cv::Mat as_float(const cv::Mat& picture) {
  cv::Mat result;
  luma(picture).convertTo(result, CV_32F);
  return result;
}

/// `count` of 0..total-1, spread evenly.
std::vector<std::size_t> spread(std::size_t total, int count) {
  const std::size_t kept = std::min(total, std::size_t(count));
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < kept; ++i) chosen.push_back((2 * i + 1) * total / (2 * kept));
  return chosen;
}

std::vector<AlignmentPair> pictures_of(const CalibrateOptions& options) {
  if (!fs::is_directory(options.visible))
    return {{as_float(read_picture(options.visible)), as_float(read_picture(options.infrared))}};
  const fs::path folders[] = {options.visible, options.infrared};
  const std::vector<PictureSet> sets = match_pictures(folders);
  std::vector<AlignmentPair> pairs;
  for (const std::size_t i : spread(sets.size(), options.pairs))
    pairs.push_back({as_float(read_picture(sets[i].files[0])), as_float(read_picture(sets[i].files[1]))});
  return pairs;
}

std::vector<cv::Mat> read_video(const std::string& path) {
  ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", /*overwrite=*/0);  // our message says what is wrong
  cv::VideoCapture video;
  try {
    video.open(path);
  } catch (const cv::Exception&) {
  }
  if (!video.isOpened()) throw std::runtime_error("can't read " + path + " as a picture or a video");
  std::vector<cv::Mat> frames;
  constexpr std::size_t most = 600;  // bounds the memory
  for (cv::Mat frame; frames.size() < most && video.read(frame);) {
    cv::Mat gray = frame;
    if (frame.channels() == 3) cv::cvtColor(frame, gray, cv::COLOR_BGR2GRAY);
    frames.push_back(gray.clone());
  }
  if (frames.empty()) throw std::runtime_error("video " + path + " has no frame that can be decoded");
  return frames;
}

std::vector<AlignmentPair> videos_of(const CalibrateOptions& options) {
  const std::vector<cv::Mat> visible = read_video(options.visible), infrared = read_video(options.infrared);
  std::vector<AlignmentPair> pairs;
  for (const std::size_t i : spread(std::min(visible.size(), infrared.size()), options.pairs))
    pairs.push_back({as_float(visible[i]), as_float(infrared[i])});
  return pairs;
}

/// Two and a half standard deviations to either side of the mean are black and white.
cv::Mat stretched(const cv::Mat& picture, const cv::Mat& mask) {
  cv::Scalar mean, spread;
  cv::meanStdDev(picture, mean, spread, mask);
  const double gain = 255 / (5 * spread[0] + 1e-6);
  cv::Mat result;
  picture.convertTo(result, CV_8U, gain, 127.5 - gain * mean[0]);
  return result;
}

}  // namespace

std::vector<AlignmentPair> read_pairs(const CalibrateOptions& options) {
  for (const std::string& path : {options.visible, options.infrared})
    if (!fs::exists(path)) throw std::runtime_error("there is no file or folder " + path);
  const auto is_still = [](const std::string& path) {
    return fs::is_directory(path) || is_picture_name(path);
  };
  if (fs::is_directory(options.visible) != fs::is_directory(options.infrared) ||
      is_still(options.visible) != is_still(options.infrared))
    throw std::runtime_error("give two pictures, two folders or two videos, not " + options.visible +
                             " and " + options.infrared);
  std::vector<AlignmentPair> pairs = is_still(options.visible) ? pictures_of(options) : videos_of(options);
  for (const AlignmentPair& pair : pairs)
    if (pair.visible.size() != pairs[0].visible.size() || pair.infrared.size() != pairs[0].infrared.size())
      throw std::runtime_error("the pictures of a camera must have one size, and " + options.visible +
                               " or " + options.infrared + " has " + size_text(pair.visible) + " and " +
                               size_text(pair.infrared) + " beside " + size_text(pairs[0].visible) + " and " +
                               size_text(pairs[0].infrared));
  return pairs;
}

std::string registration_json(const Alignment& alignment, const AlignmentPair& sizes, int pairs,
                              const std::string& method) {
  Registration r;
  std::copy_n(alignment.to_visible.val, 9, r.to_visible.begin());
  r.visible.size = {sizes.visible.cols, sizes.visible.rows};
  r.infrared.size = {sizes.infrared.cols, sizes.infrared.rows};
  nlohmann::json notes{{"method", method},
                       {"pairs", pairs},
                       {"residual_pixels", alignment.residual},
                       {"sure", alignment.doubt.empty()}};
  if (!alignment.doubt.empty()) notes["doubt"] = alignment.doubt;
  return to_json(r, notes.dump());
}

cv::Mat check_picture(const AlignmentPair& pair, const cv::Matx33d& to_visible) {
  const cv::Size size = pair.visible.size();
  cv::Mat moved, mask, mixed;
  cv::warpPerspective(pair.infrared, moved, to_visible, size, cv::INTER_LINEAR, cv::BORDER_REPLICATE);
  cv::warpPerspective(cv::Mat(pair.infrared.size(), CV_8U, cv::Scalar(255)), mask, to_visible, size,
                      cv::INTER_NEAREST);
  const cv::Mat visible = stretched(pair.visible, {}), infrared = stretched(moved, mask);
  visible.copyTo(mixed);
  const int field = std::max(8, size.width / 12);
  for (int y = 0; y < size.height; y += field)
    for (int x = (y / field) % 2 * field; x < size.width; x += 2 * field) {
      const cv::Rect place(x, y, std::min(field, size.width - x), std::min(field, size.height - y));
      infrared(place).copyTo(mixed(place), mask(place));
    }
  cv::Mat shown = cv::Mat::zeros(size, CV_8U), all;
  infrared.copyTo(shown, mask);
  cv::hconcat(std::vector<cv::Mat>{visible, shown, mixed}, all);
  return all;
}

int run_calibrate(const CalibrateOptions& options) {
  check_output(options.output);
  if (!options.picture.empty()) check_output(options.picture);
  const std::vector<AlignmentPair> pairs = read_pairs(options);
  const bool by_board = !options.checkerboard.empty();
  const Alignment found = by_board ? align_by_checkerboard(pairs, options.checkerboard) : align(pairs);
  const std::string json =
      registration_json(found, pairs[0], int(pairs.size()), by_board ? "checkerboard" : "edges");
  write_file(options.output, json.data(), json.size());
  if (!options.picture.empty()) write_picture(options.picture, check_picture(pairs[0], found.to_visible));
  print("residual " + number_text(found.residual, 2) + " pixels of the visible picture, over " +
        std::to_string(found.parts) + (by_board ? " corners" : " parts") + " of " +
        std::to_string(pairs.size()) + (pairs.size() == 1 ? " pair" : " pairs") +
        (by_board ? "" : ", of which " + number_text(100 * found.agreeing, 0) + " % agree") + "\n");
  if (found.doubt.empty()) return 0;
  std::fprintf(stderr,
               "digfusion: not sure: %s; look at --picture before using %s, or give more pairs with edges "
               "that both cameras see, or a heated --checkerboard\n",
               found.doubt.c_str(), options.output.c_str());
  return not_sure;
}

}  // namespace digfusion::tools
