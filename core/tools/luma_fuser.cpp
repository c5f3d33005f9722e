// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/luma_fuser.h"

#include <stdexcept>

#include "core/tools/mat_image.h"

namespace digfusion::tools {

void LumaFuser::load() {
  if (fuser_) return;
  Status status;
  std::unique_ptr<StreamFuser> fuser(digfusion_create(abi_version, sizeof(Parameters), &status));
  if (fuser) status = fuser->load(parameters_, nullptr, nullptr);
  if (!status.ok()) throw std::runtime_error(name_ + ": " + status.message);
  fuser_ = std::move(fuser);
}

cv::Mat LumaFuser::fuse(const std::vector<cv::Mat>& lumas) {
  load();
  fuser_->reset();
  return fuse_next(lumas);
}

cv::Mat LumaFuser::fuse_next(const std::vector<cv::Mat>& lumas) {
  load();
  std::vector<cv::Mat> bytes(lumas.size());
  std::vector<Image> sources;
  for (std::size_t i = 0; i < lumas.size(); ++i) {
    lumas[i].convertTo(bytes[i], CV_8U);
    sources.push_back(as_image(bytes[i]));
  }
  cv::Mat fused(lumas[0].size(), CV_8U);
  const Status status = fuser_->fuse(sources.data(), sources.size(), as_image(fused));
  if (!status.ok()) throw std::runtime_error(name_ + ": " + status.message);
  return fused;
}

}  // namespace digfusion::tools
