// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <c10/core/ScalarType.h>

#include <map>
#include <string>

namespace digfusion::tools {

/// Of files and networks, as typed by the user.
inline const std::map<std::string, at::ScalarType> precisions = {
    {"float32", at::kFloat}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf}};

}  // namespace digfusion::tools
