// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/pictures.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <system_error>

#include "core/tools/output_file.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

using Stems = std::map<std::string, fs::path>;

std::string ending_of(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return ending;
}

Stems list_pictures(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status)) throw std::runtime_error("there is no folder " + folder.string());
  if (!fs::is_directory(status)) throw std::runtime_error(folder.string() + " is not a folder");

  Stems stems;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const fs::path& path = entry->path();
    std::error_code unknown;
    if (path.filename().string().front() == '.' || !is_picture_name(path) || entry->is_directory(unknown))
      continue;
    const auto [place, is_new] = stems.emplace(path.stem().string(), path);
    if (!is_new)
      throw std::runtime_error("folder " + folder.string() + " holds two pictures of the stem \"" +
                               place->first + "\": " + place->second.filename().string() + " and " +
                               path.filename().string() + "; keep one of them");
  }
  if (error) throw std::runtime_error("can't list folder " + folder.string() + ": " + error.message());
  return stems;
}

// "a, b, c and 4 more".
std::string list_text(const std::vector<std::string>& names) {
  constexpr std::size_t shown = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), shown); ++i) text += (i > 0 ? ", " : "") + names[i];
  return names.size() > shown ? text + " and " + std::to_string(names.size() - shown) + " more" : text;
}

// "  FOLDER lacks: a, b, c and 4 more", or nothing.
std::string missing_text(const fs::path& folder, const Stems& here, const Stems& everywhere) {
  std::vector<std::string> missing;
  for (const auto& [stem, path] : everywhere)
    if (!here.contains(stem)) missing.push_back(stem);
  return missing.empty() ? "" : "\n  " + folder.string() + " lacks: " + list_text(missing);
}

bool same_stems(const std::vector<Stems>& listings) {
  return std::all_of(listings.begin(), listings.end(), [&](const Stems& stems) {
    return std::equal(stems.begin(), stems.end(), listings.front().begin(), listings.front().end(),
                      [](const auto& a, const auto& b) { return a.first == b.first; });
  });
}

// "_A" for 0.
std::string ending_number(std::size_t i) { return {'_', static_cast<char>('A' + i)}; }

// The stems without `ending`, where all have it; otherwise as they are.
Stems without_ending(const Stems& stems, const std::string& ending) {
  Stems shorter;
  for (const auto& [stem, path] : stems) {
    if (!stem.ends_with(ending)) return stems;
    shorter.emplace(stem.substr(0, stem.size() - ending.size()), path);
  }
  return shorter;
}

std::vector<unsigned char> read_bytes(const fs::path& path) {
  errno = 0;
  try {
    std::ifstream file(path, std::ios::binary);
    if (file) return {std::istreambuf_iterator<char>(file), {}};
  } catch (const std::ios_base::failure&) {
    // A folder, or a disk that can't be read; errno tells.
  }
  const int error = errno;
  throw std::runtime_error("can't read picture " + path.string() +
                           (error ? ": " + std::generic_category().message(error) : std::string()));
}

// Whether a JPEG's bytes end before its picture does, which OpenCV fills with gray and calls read: there is
// no end-of-image marker behind the first start-of-scan (the one of an embedded thumbnail lies before it).
bool is_jpeg_cut_short(const std::vector<unsigned char>& bytes) {
  constexpr unsigned char mark = 0xFF, start_of_image = 0xD8, start_of_scan = 0xDA, end_of_image = 0xD9;
  if (bytes.size() < 2 || bytes[0] != mark || bytes[1] != start_of_image) return false;
  std::size_t i = 2;
  while (i + 4 <= bytes.size() && bytes[i] == mark && bytes[i + 1] != start_of_scan)
    i += bytes[i + 1] == mark ? 1 : 2 + (std::size_t{bytes[i + 2]} << 8 | bytes[i + 3]);
  if (i >= bytes.size()) return true;
  constexpr unsigned char end[] = {mark, end_of_image};
  return std::search(bytes.begin() + static_cast<std::ptrdiff_t>(i), bytes.end(), end, end + 2) ==
         bytes.end();
}

// Whether files of this ending hold 16 bit and alpha.
bool is_deep(const std::string& ending) { return ending == ".png" || ending == ".tif" || ending == ".tiff"; }

// Whether a PNG's bytes end before its last chunk (IEND) does.
bool is_png_cut_short(const std::vector<unsigned char>& bytes) {
  constexpr unsigned char signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'},
                          end[] = {'I', 'E', 'N', 'D'};
  constexpr std::size_t around = 12;  // a chunk's length, name and checksum
  if (bytes.size() < sizeof signature || !std::equal(signature, signature + sizeof signature, bytes.begin()))
    return false;
  std::size_t i = sizeof signature;
  while (i + around <= bytes.size()) {
    const unsigned char* chunk = bytes.data() + i;
    if (std::equal(end, end + sizeof end, chunk + 4)) return false;
    i += around +
         (std::size_t{chunk[0]} << 24 | std::size_t{chunk[1]} << 16 | std::size_t{chunk[2]} << 8 | chunk[3]);
  }
  return true;
}

std::string depth_text(int depth) {
  switch (depth) {
    case CV_8U:
      return "8-bit";
    case CV_8S:
      return "signed 8-bit";
    case CV_16U:
      return "16-bit";
    case CV_16S:
      return "signed 16-bit";
    case CV_32S:
      return "32-bit";
    default:
      return "floating-point";
  }
}

}  // namespace

bool is_picture_name(const fs::path& path) {
  const std::string ending = ending_of(path);
  for (const char* known : {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
    if (ending == known) return true;
  return false;
}

std::vector<PictureSet> match_pictures(std::span<const fs::path> folders) {
  std::vector<Stems> listings;
  for (const fs::path& folder : folders) listings.push_back(list_pictures(folder));
  if (!same_stems(listings))
    for (std::size_t i = 0; i < listings.size(); ++i)
      listings[i] = without_ending(listings[i], ending_number(i));
  Stems everywhere;
  for (const Stems& stems : listings) everywhere.insert(stems.begin(), stems.end());
  std::string names;
  for (const fs::path& folder : folders) names += (names.empty() ? "" : ", ") + folder.string();
  if (everywhere.empty())
    throw std::runtime_error("no pictures (PNG, JPEG, TIFF, BMP) in " + names + ": nothing to pair");

  std::string missing;
  for (std::size_t i = 0; i < folders.size(); ++i)
    missing += missing_text(folders[i], listings[i], everywhere);
  if (!missing.empty())
    throw std::runtime_error(
        "pictures are paired by equal stem (name without its ending), and some lack a partner:" + missing);

  std::vector<PictureSet> sets;
  for (const auto& [stem, path] : everywhere) {
    PictureSet set{stem, {}};
    for (const Stems& listing : listings) set.files.push_back(listing.at(stem));
    sets.push_back(std::move(set));
  }
  return sets;
}

std::vector<PictureSet> group_pictures(const fs::path& folder) {
  const Stems pictures = list_pictures(folder);
  if (pictures.empty())
    throw std::runtime_error("no pictures (PNG, JPEG, TIFF, BMP) in " + folder.string() +
                             ": nothing to group");
  std::map<std::string, Stems> groups;  // by the stem without its ending; within one by the ending
  std::vector<std::string> strange;
  for (const auto& [stem, path] : pictures) {
    const std::size_t before = stem.size() - 2;
    if (stem.size() > 2 && stem[before] == '_' && stem.back() >= 'A' && stem.back() <= 'Z')
      groups[stem.substr(0, before)].emplace(stem.substr(before), path);
    else
      strange.push_back(stem);
  }
  const std::string rule =
      "pictures of one folder belong together by the endings _A, _B, … of their names, and ";
  if (!strange.empty())
    throw std::runtime_error(rule + "in " + folder.string() + " some have none: " + list_text(strange));

  std::vector<PictureSet> sets;
  std::vector<std::string> missing;
  for (const auto& [stem, group] : groups) {
    PictureSet set{stem, {}};
    for (std::size_t i = 0; i < std::max<std::size_t>(group.size(), 2); ++i) {
      const auto found = group.find(ending_number(i));
      if (found == group.end()) {
        missing.push_back(stem + ending_number(i));
        break;
      }
      set.files.push_back(found->second);
    }
    sets.push_back(std::move(set));
  }
  if (!missing.empty()) throw std::runtime_error(rule + folder.string() + " lacks: " + list_text(missing));
  return sets;
}

cv::Mat read_picture(const fs::path& path) {
  const std::vector<unsigned char> bytes = read_bytes(path);
  if (bytes.empty()) throw std::runtime_error("picture " + path.string() + " is an empty file");
  // libpng would complain on standard error, too.
  if (is_jpeg_cut_short(bytes) || is_png_cut_short(bytes))
    throw std::runtime_error("can't decode picture " + path.string() + ": it is cut short");
  cv::Mat picture;
  std::string reason = "damaged, cut short, or no picture";
  try {
    picture = cv::imdecode(bytes, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& error) {
    reason = error.err;
  }
  if (picture.empty()) throw std::runtime_error("can't decode picture " + path.string() + ": " + reason);
  const int channels = picture.channels();
  if ((picture.depth() != CV_8U && picture.depth() != CV_16U) ||
      (channels != 1 && channels != 3 && channels != 4))
    throw std::runtime_error("picture " + path.string() + " holds " + std::to_string(channels) +
                             " channel(s) of " + depth_text(picture.depth()) +
                             " samples; gray, BGR or BGRA of 8 or 16 bit can be read: convert it first");
  return picture;
}

cv::Mat luma(const cv::Mat& picture) {
  cv::Mat gray = picture, result;
  if (picture.channels() == 3) cv::cvtColor(picture, gray, cv::COLOR_BGR2GRAY);
  if (picture.channels() == 4) cv::cvtColor(picture, gray, cv::COLOR_BGRA2GRAY);
  gray.convertTo(result, CV_64F);
  if (gray.depth() == CV_16U) result /= 257.0;  // 65535 / 255, without a rounding error at white
  return result;
}

void check_format(const fs::path& path, const cv::Mat& picture) {
  const std::string place = "can't write picture " + path.string() + ": ";
  if (!is_picture_name(path))
    throw std::runtime_error(place + "its name must end in .png, .jpg, .jpeg, .tif, .tiff or .bmp");
  if (picture.empty()) throw std::runtime_error(place + "the picture is empty");
  // OpenCV would convert silently, and clip 16 bit at 255.
  const std::string ending = ending_of(path);
  if (picture.depth() != CV_8U && !(is_deep(ending) && picture.depth() == CV_16U))
    throw std::runtime_error(place + ending + " can't hold " + depth_text(picture.depth()) +
                             " samples; PNG and TIFF hold 8 and 16 bit");
}

void write_picture(const fs::path& path, const cv::Mat& picture) {
  check_format(path, picture);
  const std::string place = "can't write picture " + path.string() + ": ";
  const std::string ending = ending_of(path);
  cv::Mat stored = picture;
  if (!is_deep(ending) && picture.channels() == 4) cv::cvtColor(picture, stored, cv::COLOR_BGRA2BGR);
  std::vector<unsigned char> bytes;
  std::string reason = "it can't be encoded";
  bool done = false;
  try {
    done = cv::imencode(ending, stored, bytes);
  } catch (const cv::Exception& error) {
    reason = error.err;
  }
  if (!done) throw std::runtime_error(place + reason);
  write_file(path, bytes.data(), bytes.size());
}

std::string size_text(const cv::Mat& picture) {
  return std::to_string(picture.cols) + "x" + std::to_string(picture.rows);
}

}  // namespace digfusion::tools
