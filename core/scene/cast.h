// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Everything that moves: who is where at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "core/scene/look.h"
#include "core/scene/shape.h"

namespace digfusion::scene {

struct Cast {
  std::vector<Paint> paints;  ///< the farthest first
  std::vector<Glow> glows;
};

/// The people and vehicles at a time in seconds; a pure function.
Cast cast_at(const Look& look, std::uint32_t seed, double time);

}  // namespace digfusion::scene
