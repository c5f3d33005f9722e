// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings an infrared picture to the visible picture's size and place by a registration.
#pragma once

#include <ATen/ATen.h>

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/image/placed.h"
#include "core/image/registration.h"

namespace digfusion {

/// Made once for a pair of sizes (a registration's map for each pixel, float64), applied to each frame.
/// Constant, so threads may share it.
class RemapTable {
 public:
  /// Error(invalid_argument) when the infrared picture covers nothing of the visible one.
  RemapTable(const Registration& registration, Size visible, Size infrared);

  /// infrared [1,C,h,w] on the grid of visible's [1,C,H,W], both float32 on one device: bilinear, after an
  /// antialiasing filter where it has over 1.5 pixels to one of the visible picture's. Where it has no
  /// picture the visible one stands, so that fusion leaves it alone; from there the infrared one is faded in
  /// over a fiftieth of the visible picture's longer side. What the identity takes to a picture of its own
  /// size is returned as it is.
  at::Tensor apply(const at::Tensor& infrared, const at::Tensor& visible) const {
    return place(infrared).over(visible);
  }
  /// The same before the visible picture comes in.
  Placed place(const at::Tensor& infrared) const;

  Size visible() const { return visible_; }
  Size infrared() const { return infrared_; }
  /// What place() does, for who does it otherwise. Nobody writes to the tensors.
  Size sampled() const { return sampled_; }
  const at::Tensor& places() const { return places_; }
  const at::Tensor& share() const { return share_; }

 private:
  Size visible_, infrared_;
  Size sampled_;       ///< what the infrared picture is reduced to first; mostly infrared_
  bool is_identity_;   ///< then the tensors are undefined
  at::Tensor places_;  ///< [1,H,W,2]: x, y in the sampled picture, whose corners' centres are -1 and 1
  at::Tensor share_;   ///< [1,1,H,W]: of the infrared picture, 0..1; undefined when 1 everywhere
};

/// One stream's registration, by the parameter of that name, and its tables for the sizes at hand.
class Registrar {
 public:
  /// Errors are parse_registration()'s.
  explicit Registrar(std::string_view text) : text_(text), registration_(parse_registration(text)) {}

  /// Reads anew only where the text is another. On an exception everything is as before.
  void configure(std::string_view text) {
    if (text != text_) *this = Registrar(text);
  }

  bool registers() const { return registration_.has_value(); }

  /// RemapTable::place() with the table for source `index`, made when sizes change. registers() must be true.
  Placed place(std::size_t index, const at::Tensor& infrared, Size visible);
  /// That table; until the next call for this source, or configure().
  const RemapTable& table(std::size_t index, Size infrared, Size visible);
  at::Tensor apply(std::size_t index, const at::Tensor& infrared, const at::Tensor& visible) {
    return place(index, infrared, {visible.size(3), visible.size(2)}).over(visible);
  }

 private:
  std::string text_;
  std::optional<Registration> registration_;
  std::deque<std::optional<RemapTable>> tables_;  ///< by source; they stay where they are
};

}  // namespace digfusion
