// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pictures on disk, for the command-line programs: which belong together, reading, luma, writing. PNG, JPEG,
// TIFF and BMP of 8 or 16 bit. Every error is a std::runtime_error that names the file or folder, what is
// wrong with it and, where it isn't plain, what to do.
#pragma once

#include <filesystem>
#include <opencv2/core.hpp>
#include <span>
#include <string>
#include <vector>

namespace digfusion::tools {

/// Whether the name ends in .png, .jpg, .jpeg, .tif, .tiff or .bmp, in either case.
bool is_picture_name(const std::filesystem::path& path);

/// The pictures of equal stem, one from each folder, in the order of the folders.
struct PictureSet {
  std::string stem;
  std::vector<std::filesystem::path> files;
};

/// Pairs (or triples, …) the pictures of several folders by stem, in the order of the stems. Where that
/// leaves some without partner, the ending _A of all stems in the first folder, _B in the second and so on
/// are left out. Other files, hidden ones and subfolders are left alone. Throws when a folder is missing or
/// can't be listed, holds two pictures of one stem, when a stem isn't in every folder (the message lists the
/// first few), or when no folder holds any.
std::vector<PictureSet> match_pictures(std::span<const std::filesystem::path> folders);

/// Groups the pictures of one folder whose stems differ only in the ending _A, _B, _C, …; the sets' stems
/// lack it. Sets may be of different size. Throws as above, and when a picture has no such ending, a letter
/// is left out, or a picture stands alone.
std::vector<PictureSet> group_pictures(const std::filesystem::path& folder);

/// Reads as stored: CV_8U or CV_16U with 1 (gray), 3 (BGR) or 4 (BGRA) channels, never empty. No rotation by
/// EXIF. Throws when the file can't be read or decoded, is cut short, or holds other samples (float, 32 bit).
cv::Mat read_picture(const std::filesystem::path& path);

/// Luma on 0..255, CV_64F: OpenCV's BGR→GRAY in the picture's own depth (rounded there), 16 bit divided by
/// 257. `picture` is as read_picture() returns it.
cv::Mat luma(const cv::Mat& picture);

/// Throws what write_picture() would throw for this name and picture before it touches the disk.
void check_format(const std::filesystem::path& path, const cv::Mat& picture);

/// Writes in the format that the name's ending tells, whole or not at all (output_file.h). 16 bit needs PNG
/// or TIFF; JPEG (quality 95) and BMP leave an alpha channel out. Throws when the ending is another, the
/// format can't hold the picture, or the file can't be written (a full disk).
void write_picture(const std::filesystem::path& path, const cv::Mat& picture);

/// "768x576", width first.
std::string size_text(const cv::Mat& picture);

}  // namespace digfusion::tools
