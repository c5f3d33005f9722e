// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Texts over a picture, dark-backed, at its edges.
#pragma once

#include <gst/gst.h>

#include <string>
#include <vector>

namespace digfusion::pipelines {

/// Elements of a pipeline: capsfilter ! textoverlay ! … ! capsfilter, for BGRA. Texts are plain; those shown
/// with the next picture are those set last. Thread-safe by its elements, except resize().
class Overlay {
 public:
  /// A text in the middle below a part of the picture.
  struct Label {
    std::string text;
    double middle;  ///< as a part of the width
  };
  static constexpr std::size_t max_labels = 3;

  /// Makes the elements in `bin`, which owns them, and links them. Throws Failure where one isn't installed.
  explicit Overlay(GstBin* bin);
  GstElement* first() const { return elements_.front(); }
  /// Its source pad carries pictures with their texts in them.
  GstElement* last() const { return elements_.back(); }

  void resize(int height);                     ///< of the pictures: letters go with it
  void set_lines(const std::string& lines);    ///< at the top left, in columns
  void set_notice(const std::string& notice);  ///< at the bottom, large, in a signal colour
  void set_labels(const std::vector<Label>& labels);

 private:
  std::vector<GstElement*> elements_;  ///< borrowed from the bin
  GstElement *lines_, *notice_, *labels_[max_labels];
  int height_ = 0;
};

}  // namespace digfusion::pipelines
