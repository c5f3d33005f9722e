// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The fusion as experiments need it: lumas in, fused luma out, through the same door as the element's frames
// (core/interface/interface.h).
#pragma once

#include <memory>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "core/interface/interface.h"

namespace digfusion::tools {

/// The model is read when it is first needed.
class LumaFuser {
 public:
  LumaFuser(std::string name, const Parameters& parameters)
      : name_(std::move(name)), parameters_(parameters) {}

  /// lumas: CV_64F on 0..255 of one size, two or more, the visible one first → CV_8U, each picture by itself.
  /// Throws std::runtime_error that names the method.
  cv::Mat fuse(const std::vector<cv::Mat>& lumas);
  /// The same as the next frame of the stream that the last call began.
  cv::Mat fuse_next(const std::vector<cv::Mat>& lumas);

  /// Reads the model now, if it isn't there; throws as fuse().
  void load();
  Statistics statistics() const { return fuser_->statistics(); }
  /// "cpu in float32"; only once loaded.
  std::string computed_on() const {
    const Statistics s = statistics();
    return std::string(s.device) + " in " + s.precision;
  }
  const std::string& name() const { return name_; }
  const Parameters& parameters() const { return parameters_; }

 private:
  std::string name_;
  Parameters parameters_;
  std::unique_ptr<StreamFuser> fuser_;
};

}  // namespace digfusion::tools
