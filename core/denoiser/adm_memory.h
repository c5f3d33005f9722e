// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the activations of a large network lie.
#pragma once

namespace digfusion {

/// While one lives, LibTorch's allocations of 32 MiB and more on this thread are in huge pages where the
/// system gives them to who asks (Linux: /sys/kernel/mm/transparent_hugepage/enabled is "madvise"). The C
/// library maps such blocks one by one and gives each back at once; in pages of 4 KiB, clearing and entering
/// them took a fifth of an evaluation. Other threads' allocations and smaller ones are as ever.
class LargePages {
 public:
  LargePages();
  ~LargePages();
  LargePages(const LargePages&) = delete;
  LargePages& operator=(const LargePages&) = delete;

 private:
  const bool before_;
};

/// Gives what was freed back to the system. Where sizes change, as between the levels of a network, the C
/// library would keep a hundred megabytes in pieces that nobody asks for again.
void give_back_memory();

}  // namespace digfusion
