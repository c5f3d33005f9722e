// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/fuse_pictures.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>
#include <string>
#include <system_error>

#include "core/tools/pictures.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

bool is_folder(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw std::runtime_error("there is no file or folder " + path.string());
  return fs::is_directory(status);
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::is_directory(folder, error)) return;
  fs::create_directories(folder, error);
  if (error) throw std::runtime_error("can't make folder " + folder.string() + ": " + error.message());
}

// The file in `folder` that is made of this visible picture.
fs::path output_in(const fs::path& folder, const fs::path& visible) {
  std::string ending = visible.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  fs::path name = visible.filename();
  if (ending == ".jpg" || ending == ".jpeg") name.replace_extension(".png");
  return folder / name;
}

void refuse_overwriting(const FusionJob& job) {
  for (const fs::path& source : {job.visible, job.infrared}) {
    std::error_code error;
    if (fs::equivalent(source, job.output, error) && !error)
      throw std::runtime_error("the output " + job.output.string() +
                               " is one of the pictures to fuse; give another --output");
  }
}

}  // namespace

std::vector<FusionJob> plan_fusion(const fs::path& visible, const fs::path& infrared,
                                   const fs::path& output) {
  const bool folders = is_folder(visible);
  if (is_folder(infrared) != folders)
    throw std::runtime_error(visible.string() + (folders ? " is a folder and " : " is a file and ") +
                             infrared.string() + " isn't; give two pictures or two folders");
  std::error_code error;
  const bool into_folder = folders || !output.has_filename() || fs::is_directory(output, error);
  std::vector<FusionJob> jobs;
  if (folders) {
    const std::array sources{visible, infrared};
    for (const PictureSet& set : match_pictures(sources))
      jobs.push_back({set.files[0], set.files[1], output_in(output, set.files[0])});
  } else {
    jobs.push_back({visible, infrared, into_folder ? output_in(output, visible) : output});
    if (!is_picture_name(jobs[0].output))
      throw std::runtime_error("the output's name " + jobs[0].output.string() +
                               " must end in .png, .jpg, .jpeg, .tif, .tiff or .bmp, or be a folder");
  }
  std::for_each(jobs.begin(), jobs.end(), refuse_overwriting);
  make_folder(into_folder ? output : output.parent_path());
  return jobs;
}

Image as_image(const cv::Mat& picture) {
  const int bytes = static_cast<int>(picture.elemSize1()), channels = picture.channels();
  Image image;
  image.width = picture.cols;
  image.height = picture.rows;
  image.is_rgb = channels > 1;
  image.matrix = image.is_rgb ? Matrix::rgb : Matrix::bt601;
  image.range = Range::full;
  image.planes = 1;
  image.plane[0] = {picture.data, static_cast<std::ptrdiff_t>(picture.step[0]),
                    picture.cols * picture.elemSize(), picture.rows};
  image.components = channels;
  constexpr int order[] = {2, 1, 0, 3};  // R, G, B, A in OpenCV's BGRA
  for (int c = 0; c < channels; ++c)
    image.component[c] = {.plane = 0,
                          .offset = (image.is_rgb ? order[c] : 0) * bytes,
                          .pixel_stride = channels * bytes,
                          .depth = 8 * bytes,
                          .shift = 0,
                          .w_sub = 0,
                          .h_sub = 0};
  return image;
}

void fuse_files(StreamFuser& fuser, const FusionJob& job) {
  const cv::Mat visible = read_picture(job.visible);
  check_format(job.output, visible);
  const cv::Mat infrared = read_picture(job.infrared);
  cv::Mat fused(visible.size(), visible.type());
  fuser.reset();  // each picture by itself
  const std::array sources{as_image(visible), as_image(infrared)};
  const Status status = fuser.fuse(sources.data(), sources.size(), as_image(fused));
  if (!status.ok())
    throw std::runtime_error("can't fuse " + job.visible.string() + " and " + job.infrared.string() + ": " +
                             status.message);
  write_picture(job.output, fused);
}

}  // namespace digfusion::tools
