// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A core without a network, for tests of the element's behaviour. Its picture is a split screen: the upper
// half is the visible picture, the lower half the infrared luma (nearest sample), so a test sees what was
// fused with what; with mode=side-by-side there are two of it. Environment variables make it misbehave; they
// are read when the fuser is created.
//   DIGFUSION_FAKE_ABI         interface version that it reports
//   DIGFUSION_FAKE_LOAD_ERROR  load() fails with this message (ErrorCode::model)
//   DIGFUSION_FAKE_LOAD_MS     how long load() takes
//   DIGFUSION_FAKE_FUSE_MS     how long fuse() takes; with preset=quality four times, balanced twice as long
//   DIGFUSION_FAKE_IN_FLIGHT   how many frames may be begun at a time. A frame is done FUSE_MS after it was
//                              begun, or after the one before it is done; finish() waits for that, and only
//                              then reads and writes the pictures
//   DIGFUSION_FAKE_FAIL_BEGIN  begin() of this frame (from 1) fails
//   DIGFUSION_FAKE_FAIL_FINISH finish() of this frame fails, counted by those begun
//   DIGFUSION_FAKE_NUMBERED    1: the black-value of report() is the number of the frame that was finished
//   last DIGFUSION_FAKE_REFINED_X   what report() says that registration-refine has moved infrared by
//   DIGFUSION_FAKE_MOVED       after so many pictures the camera has moved; 0: never
//   DIGFUSION_FAKE_FAIL        so many first calls of fuse() fail; -1: all
//   DIGFUSION_FAKE_DEVICE      where it says that it computes; with "cuda:N" it takes pictures of the fake
//                              driver
//   DIGFUSION_FAKE_DEVICE_ERROR  fuse() fails with this message (ErrorCode::device)
#pragma once

#include <atomic>

#include "core/interface/interface.h"

namespace digfusion::test {

/// What happened to all fusers of the process.
struct FakeCoreLog {
  std::atomic<int> alive, loads, configures, warm_ups, fusions, resets;
  std::atomic<int>
      overlaps;  ///< calls that overlapped another of the same fuser, which the interface forbids
  std::atomic<int> begun, most_begun;  ///< frames that aren't finished, and the most of them at a time
  std::atomic<int> begun_beside;       ///< frames that were begun while another one was
  /// Calls that are for when no frame is begun, while one was; and finish() without one.
  std::atomic<int> out_of_turn;
  std::atomic<int> warm_width, warm_height;
  std::atomic<int> device_sources, device_outputs;  ///< pictures in CUDA memory
  std::atomic<double> sharpness;                    ///< of the last load() or configure()
  std::atomic<Preset> preset;                       ///< of the same
};

}  // namespace digfusion::test

extern "C" digfusion::test::FakeCoreLog* digfusion_fake_core_log();
