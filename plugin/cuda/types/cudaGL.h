// SPDX-License-Identifier: LGPL-2.1-or-later
//
// GStreamer's CUDA headers include this file; nothing of it is used.
#pragma once
