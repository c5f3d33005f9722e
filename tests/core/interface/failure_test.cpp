// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Memory that runs out in the midst of a picture: what comes after it is as if it hadn't been.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "core/interface/interface.h"
#include "tests/core/image/test_image.h"
#include "tests/core/tensors.h"

namespace {
thread_local std::size_t refused = 0;  ///< there is no memory for so many bytes; 0: there is
thread_local int refusals = 0;
}  // namespace

// Not inlined: GCC would see malloc() meet delete, and free() new.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (size > 0 && size == refused) {
    ++refusals;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace digfusion {
namespace {

constexpr int width = 53, height = 37;

/// A stream of a scene that moves little, side by side.
class Stream {
 public:
  Stream() {
    Parameters parameters;
    parameters.evidence = EvidenceSource::gradient;
    parameters.device = Word("cpu");
    parameters.threads = 1;
    parameters.mode = View::side_by_side;
    parameters.compare = Compare::infrared_fused;
    Status status;
    fuser_.reset(digfusion_create(abi_version, sizeof(Parameters), &status));
    status = fuser_->load(parameters, nullptr, nullptr);
    EXPECT_TRUE(status.ok()) << status.message;
  }

  Status fuse(int frame, std::vector<int>* result = nullptr) {
    TestImage visible(layout_named("GRAY8"), width, height), infrared(layout_named("GRAY8"), width, height),
        output(layout_named("GRAY8"), 2 * width, height);
    visible.fill(1);
    infrared.fill(2);
    for (int x = 0; x < width; ++x) visible.set(0, x, frame, 255 - visible.get(0, x, frame));
    const Image sources[] = {visible.image, infrared.image};
    const Status status = fuser_->fuse(sources, 2, output.image);
    if (result)
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < 2 * width; ++x) result->push_back(output.get(0, x, y));
    return status;
  }

 private:
  std::unique_ptr<StreamFuser> fuser_;
};

TEST(FailedPicture, LeavesThePastAsItWas) {
  Stream stream, untroubled;
  for (int frame = 0; frame < 3; ++frame) {
    EXPECT_TRUE(stream.fuse(frame).ok());
    EXPECT_TRUE(untroubled.fuse(frame).ok());
  }
  refused = width * height;  // of the picture that the fused one is written to before it is put on the right
  const Status status = stream.fuse(20);
  refused = 0;
  EXPECT_EQ(status.code, ErrorCode::out_of_memory) << status.message;
  EXPECT_EQ(refusals, 1);
  std::vector<int> after, expected;
  EXPECT_TRUE(stream.fuse(4, &after).ok());
  EXPECT_TRUE(untroubled.fuse(4, &expected).ok());
  EXPECT_EQ(after, expected);
}

}  // namespace
}  // namespace digfusion
