// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/overlay.h"

#include <memory>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {
namespace {

constexpr unsigned amber = 0xffffb000;  // seen well, and spares eyes that are used to the dark

/// An amount that suits a picture of 480 lines, for one of `height`.
int scaled(int at_480, int height) { return at_480 * height / 480; }

// Texts are markup to textoverlay.
void set_text(GstElement* overlay, const std::string& text) {
  const std::unique_ptr<char, decltype(&g_free)> escaped(g_markup_escape_text(text.c_str(), -1), g_free);
  g_object_set(overlay, "text", escaped.get(), "silent", gboolean{text.empty()}, nullptr);
}

}  // namespace

Overlay::Overlay(GstBin* bin) {
  const auto add = [&](GstElement* element) {
    gst_bin_add(bin, element);
    elements_.push_back(element);
    return element;
  };
  // Texts are drawn into the picture even where the sink could lay them over it: a snapshot shows them too.
  const auto add_caps = [&] {
    GstCaps* caps = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "BGRA", nullptr);
    g_object_set(add(make_element("capsfilter")), "caps", caps, nullptr);
    gst_caps_unref(caps);
  };
  const auto add_text = [&](const char* horizontal, const char* vertical) {
    GstElement* text = add(make_element("textoverlay"));
    gst_util_set_object_arg(G_OBJECT(text), "halignment", horizontal);
    gst_util_set_object_arg(G_OBJECT(text), "valignment", vertical);
    g_object_set(text, "shaded-background", TRUE, "shading-value", 170u, "draw-shadow", FALSE, "draw-outline",
                 FALSE, "auto-resize", FALSE, "silent", TRUE, nullptr);
    return text;
  };
  add_caps();
  lines_ = add_text("left", "top");
  gst_util_set_object_arg(G_OBJECT(lines_), "line-alignment", "left");
  notice_ = add_text("center", "bottom");
  g_object_set(notice_, "color", amber, nullptr);
  for (GstElement*& label : labels_) label = add_text("position", "bottom");
  add_caps();
  for (std::size_t i = 1; i < elements_.size(); ++i) gst_element_link(elements_[i - 1], elements_[i]);
}

void Overlay::resize(int height) {
  if (height == height_) return;
  height_ = height;
  const auto set = [height](GstElement* text, const char* font, int size, int pad) {
    const std::string description = font + (" " + std::to_string(scaled(size, height))) + "px";
    g_object_set(text, "font-desc", description.c_str(), "xpad", scaled(14, height), "ypad",
                 scaled(pad, height), nullptr);
  };
  set(lines_, "Monospace", 15, 14);
  for (GstElement* label : labels_) set(label, "Sans", 15, 14);
  set(notice_, "Sans Bold", 21, 44);  // above the labels
}

void Overlay::set_lines(const std::string& lines) { set_text(lines_, lines); }

void Overlay::set_notice(const std::string& notice) { set_text(notice_, notice); }

void Overlay::set_labels(const std::vector<Label>& labels) {
  for (std::size_t i = 0; i < max_labels; ++i) {
    if (i < labels.size()) g_object_set(labels_[i], "xpos", labels[i].middle, nullptr);
    set_text(labels_[i], i < labels.size() ? labels[i].text : std::string());
  }
}

}  // namespace digfusion::pipelines
