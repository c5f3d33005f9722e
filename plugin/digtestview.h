// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The source of one view of a generated scene: digtestsrc's child. Not registered as an element of its own.
#pragma once

#include <gst/base/gstpushsrc.h>

#include <cstdint>

#include "core/scene/faults.h"
#include "core/scene/pattern.h"

namespace digfusion {

/// `ideal` is the picture that fusing the other two ideally makes (core/scene/renderer.h): luma alone.
enum class View { visible, infrared, ideal };

/// As pads and children are named.
const char* view_name(View view);
/// Caps of a view, its preferred format first.
const char* view_caps(View view);

}  // namespace digfusion

G_BEGIN_DECLS

#define GST_TYPE_DIG_TEST_VIEW (gst_dig_test_view_get_type())
G_DECLARE_FINAL_TYPE(GstDigTestView, gst_dig_test_view, GST, DIG_TEST_VIEW, GstPushSrc)

G_END_DECLS

/// A floating element with the view's name.
GstElement* gst_dig_test_view_new(digfusion::View view);
/// From the next frame on. Thread-safe.
void gst_dig_test_view_set_scene(GstDigTestView* self, digfusion::scene::Pattern pattern, std::uint64_t seed);
/// Of the infrared view, from the next frame on; whether it is kelvin, from the next negotiation.
/// Thread-safe.
void gst_dig_test_view_set_faults(GstDigTestView* self, const digfusion::scene::Faults& faults);
/// Where a view that isn't running yet starts: 0, or the running view's position when it joins late.
void gst_dig_test_view_start_at(GstDigTestView* self, GstClockTime position);
/// The stream time of the next frame.
GstClockTime gst_dig_test_view_position(GstDigTestView* self);
