// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One body of a loop for each kind of processor, chosen by its features when the program starts (names of
// processors, such as "arch=haswell", would fit these alone and not their successors).
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define DIGFUSION_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DIGFUSION_CLONES
#endif
