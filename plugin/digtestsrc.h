// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digtestsrc: a generated street scene as two synchronous streams, visible and infrared.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_DIG_TEST_SRC (gst_dig_test_src_get_type())
G_DECLARE_FINAL_TYPE(GstDigTestSrc, gst_dig_test_src, GST, DIG_TEST_SRC, GstBin)

GST_ELEMENT_REGISTER_DECLARE(digtestsrc)

G_END_DECLS
