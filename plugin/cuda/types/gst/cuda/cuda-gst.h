// SPDX-License-Identifier: LGPL-2.1-or-later
//
// In the place of GStreamer's own, which its headers include since 1.24: it declares the driver's functions again,
// with types that we don't have. The few that we call are in driver.h.
#pragma once

#include "cuda.h"
