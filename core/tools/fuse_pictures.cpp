// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/fuse_pictures.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <string>
#include <system_error>

#include "core/parameters/view.h"
#include "core/tools/fuse_colour.h"
#include "core/tools/mat_image.h"
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

// The file in `folder` for a set of this stem whose first picture is `first`.
fs::path output_in(const fs::path& folder, const std::string& stem, const fs::path& first) {
  const std::string ending = first.extension().string();
  std::string lower = ending;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return folder / (stem + (lower == ".jpg" || lower == ".jpeg" ? ".png" : ending));
}

void refuse_overwriting(const FusionJob& job) {
  for (const fs::path& source : job.sources) {
    std::error_code error;
    if (fs::equivalent(source, job.output, error) && !error)
      throw std::runtime_error("the output " + job.output.string() +
                               " is one of the pictures to fuse; give another --output");
  }
}

// Whether these are folders rather than files.
bool are_folders(std::span<const fs::path> inputs) {
  const bool folders = is_folder(inputs[0]);
  for (const fs::path& input : inputs.subspan(1))
    if (is_folder(input) != folders)
      throw std::runtime_error(inputs[0].string() + (folders ? " is a folder and " : " is a file and ") +
                               input.string() + " isn't; give pictures or folders alone");
  if (!folders && inputs.size() < 2)
    throw std::runtime_error("one picture, " + inputs[0].string() +
                             ", is nothing to fuse; give two or more, or a folder of them");
  return folders;
}

void refuse_too_many(const FusionJob& job) {
  if (job.sources.size() > max_sources)
    throw std::runtime_error(std::to_string(job.sources.size()) + " pictures for " + job.output.string() +
                             " are too many: up to " + std::to_string(max_sources) +
                             " can be fused into one");
}

}  // namespace

std::string names_text(std::span<const fs::path> files) {
  std::string text;
  for (std::size_t i = 0; i < files.size(); ++i)
    text += (i == 0 ? "" : i + 1 < files.size() ? ", " : " and ") + files[i].string();
  return text;
}

std::vector<FusionJob> plan_fusion(std::span<const fs::path> inputs, const fs::path& output) {
  const bool folders = are_folders(inputs);
  std::error_code error;
  const bool into_folder = folders || !output.has_filename() || fs::is_directory(output, error);
  std::vector<FusionJob> jobs;
  if (folders) {
    for (PictureSet& set : inputs.size() == 1 ? group_pictures(inputs[0]) : match_pictures(inputs)) {
      const fs::path file = output_in(output, set.stem, set.files[0]);
      jobs.push_back({std::move(set.files), file});
    }
  } else {
    jobs.push_back({{inputs.begin(), inputs.end()},
                    into_folder ? output_in(output, inputs[0].stem().string(), inputs[0]) : output});
    if (!is_picture_name(jobs[0].output))
      throw std::runtime_error("the output's name " + jobs[0].output.string() +
                               " must end in .png, .jpg, .jpeg, .tif, .tiff or .bmp, or be a folder");
  }
  std::for_each(jobs.begin(), jobs.end(), refuse_overwriting);
  std::for_each(jobs.begin(), jobs.end(), refuse_too_many);
  make_folder(into_folder ? output : output.parent_path());
  return jobs;
}

namespace {

void fuse_images(StreamFuser& fuser, std::span<const cv::Mat> sources, const cv::Mat& output,
                 const FusionJob& job) {
  std::vector<Image> images;
  for (const cv::Mat& source : sources) images.push_back(as_image(source));
  fuser.reset();  // each picture by itself
  const Status status = fuser.fuse(images.data(), images.size(), as_image(output));
  if (!status.ok()) throw std::runtime_error("can't fuse " + names_text(job.sources) + ": " + status.message);
}

void require_one_size(std::span<const cv::Mat> pictures, const FusionJob& job, const TaskSpec& task) {
  for (std::size_t i = 1; i < pictures.size(); ++i)
    if (pictures[i].size() != pictures[0].size())
      throw std::runtime_error("can't fuse " + names_text(job.sources) + ": " + job.sources[0].string() +
                               " has " + size_text(pictures[0]) + " pixels and " + job.sources[i].string() +
                               " " + size_text(pictures[i]) + "; --task " + task.name +
                               " needs pictures of one size");
}

}  // namespace

void fuse_files(StreamFuser& fuser, const FusionJob& job, const TaskSpec& task,
                const Parameters& parameters) {
  const bool joins_colour = task.colour_of_all && parameters.channels != Channels::rgb;
  if (joins_colour && (parameters.mode != View::fused || coloured_by(parameters)))
    throw std::runtime_error(std::string("--task ") + task.name +
                             " fuses the colours of all pictures and has only --mode fused, without "
                             "--palette and --highlight-above");
  std::vector<cv::Mat> pictures = {read_picture(job.sources[0])};
  check_format(job.output, pictures[0]);
  for (std::size_t i = 1; i < job.sources.size(); ++i) pictures.push_back(read_picture(job.sources[i]));
  if (task.colour_of_all) require_one_size(pictures, job, task);
  if (!joins_colour) {
    const cv::Mat fused(pictures[0].rows, pictures[0].cols * panels_across(parameters.mode),
                        pictures[0].type());
    fuse_images(fuser, pictures, fused, job);
    write_picture(job.output, fused);
    return;
  }
  std::vector<cv::Mat> lumas;
  for (const cv::Mat& picture : pictures) lumas.push_back(deep_luma(picture));
  const cv::Mat fused(lumas[0].size(), lumas[0].type());
  fuse_images(fuser, lumas, fused, job);
  write_picture(job.output, join_colour(fused, fuse_chroma(pictures), pictures[0]));
}

}  // namespace digfusion::tools
