// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The tests' tensors are too small to be shared among threads, which on a busy machine wait for each other
// longer than they compute.
#include <gtest/gtest.h>

#include "core/device/device.h"

namespace {

class OneThread : public testing::Environment {
  void SetUp() override { digfusion::use_threads(1); }
};

[[maybe_unused]] const testing::Environment* const one_thread =
    testing::AddGlobalTestEnvironment(new OneThread);

}  // namespace
