// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/mat_image.h"

namespace digfusion::tools {

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

}  // namespace digfusion::tools
