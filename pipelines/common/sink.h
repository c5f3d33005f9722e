// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where a Display's pictures end: a window, or what --sink says.
#pragma once

#include <gst/gst.h>

#include <string>

namespace digfusion::pipelines {

/// The element that opens a window here. Throws Failure: no screen, none that works, none installed.
std::string choose_window_sink();

/// A gst-launch description as a bin, floating, with one sink pad; pictures are shown as soon as they come.
/// Throws UsageFailure: not understood, an element missing (with its package), takes no pictures.
GstElement* make_sink(const std::string& description);

/// An element, floating, that gives the stream a title, which sinks show as their window's. Throws Failure.
GstElement* make_title_element(const std::string& title);

}  // namespace digfusion::pipelines
