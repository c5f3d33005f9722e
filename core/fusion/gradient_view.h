// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The view of whole frames on a device (gradient_frame.h): what the kernels need to know of the parameters
// mode, compare, split-position and palette.
#pragma once

#include "core/device/view_settings.h"
#include "core/interface/interface.h"
#include "core/parameters/parameters.h"

namespace digfusion {

/// What decides which kernels a frame starts.
enum class ViewKind : int {
  fused,    ///< the fused luma in the visible picture, nothing else
  view,     ///< another view
  palette,  ///< one with colours of what is warm
};
ViewKind view_kind(const Parameters& parameters);

/// Whether the kernels make this view: all of them but with highlight-above.
bool has_view_kernel(const Parameters& parameters);

ViewExtent view_extent(const Image& output);

/// Images as check_image() accepts them, whose planes are the device's.
ViewSettings view_settings(const Parameters& parameters, const Image& visible, const Image& output);

}  // namespace digfusion
