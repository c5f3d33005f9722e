// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_data.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <system_error>

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

struct Layout {
  Task task;
  const char* first;
  const char* second;
};
constexpr Layout layouts[] = {
    {Task::visible_infrared, "visible", "infrared"},
    {Task::visible_infrared, "vi", "ir"},
    {Task::visible_infrared, "vis", "ir"},
    {Task::focus, "a", "b"},
    {Task::exposure, "over", "under"},
};

bool has_pictures(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    if (is_picture_name(entry->path())) return true;
  return false;
}

std::vector<PictureSet> spread(std::vector<PictureSet> pairs, int limit) {
  const auto wanted = static_cast<std::size_t>(limit);
  if (limit <= 0 || pairs.size() <= wanted) return pairs;
  std::vector<PictureSet> some;
  for (std::size_t i = 0; i < wanted; ++i) some.push_back(std::move(pairs[i * pairs.size() / wanted]));
  return some;
}

void add_datasets(const fs::path& folder, std::span<const Task> tasks, int limit,
                  std::vector<Dataset>& datasets) {
  for (const Layout& layout : layouts) {
    if (std::find(tasks.begin(), tasks.end(), layout.task) == tasks.end()) continue;
    const fs::path folders[] = {folder / layout.first, folder / layout.second};
    if (!has_pictures(folders[0]) || !has_pictures(folders[1])) continue;
    const fs::path whole = fs::weakly_canonical(folder);
    datasets.push_back({whole.filename().string(),
                        layout.task,
                        {layout.first, layout.second},
                        spread(match_pictures(folders), limit)});
  }
}

}  // namespace

std::vector<Dataset> find_datasets(const fs::path& folder, std::span<const Task> tasks, int limit) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) throw std::runtime_error("there is no folder " + folder.string());
  std::vector<Dataset> datasets;
  add_datasets(folder, tasks, limit, datasets);
  if (datasets.empty()) {
    std::vector<fs::path> children;
    for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
         entry.increment(error))
      if (entry->is_directory()) children.push_back(entry->path());
    if (error) throw std::runtime_error("can't list folder " + folder.string() + ": " + error.message());
    std::sort(children.begin(), children.end());
    for (const fs::path& child : children) add_datasets(child, tasks, limit, datasets);
  }
  if (!datasets.empty()) return datasets;
  std::string wanted;
  for (const Layout& layout : layouts)
    if (std::find(tasks.begin(), tasks.end(), layout.task) != tasks.end())
      wanted += (wanted.empty() ? "" : ", or ") + std::string(layout.first) + " and " + layout.second;
  throw std::runtime_error("neither folder " + folder.string() +
                           " nor one in it has subfolders with pictures named " + wanted);
}

std::vector<cv::Mat> read_pair(const PictureSet& pair, int size) {
  std::vector<cv::Mat> lumas;
  for (const fs::path& file : pair.files) lumas.push_back(luma(read_picture(file)));
  for (std::size_t i = 1; i < lumas.size(); ++i)
    if (lumas[i].size() != lumas[0].size())
      throw std::runtime_error("sizes differ: " + pair.files[0].string() + " " + size_text(lumas[0]) + ", " +
                               pair.files[i].string() + " " + size_text(lumas[i]));
  const int longest = std::max(lumas[0].rows, lumas[0].cols);
  if (size == 0 || longest <= size) return lumas;
  const auto scaled = [&](int side) {
    return std::max(1, static_cast<int>(std::lround(double(side) * size / longest)));
  };
  for (cv::Mat& picture : lumas) {
    cv::Mat smaller;
    cv::resize(picture, smaller, {scaled(picture.cols), scaled(picture.rows)}, 0, 0, cv::INTER_AREA);
    picture = cv::min(smaller, 255.0);  // the mean of many 255 may be rounded up
  }
  return lumas;
}

}  // namespace digfusion::tools
