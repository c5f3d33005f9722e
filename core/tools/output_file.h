// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Files that are there whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace digfusion::tools {

/// Throws std::runtime_error that says what is wrong and what to do when a file can't be made at `path`: its
/// folder is missing or not writable, or a folder lies there. Meant to be asked before long work.
void check_output(const std::filesystem::path& path);

/// Writes `size` bytes as the file `path`: into a temporary file in the same folder, which then takes the
/// name. A link is followed; what isn't an ordinary file (a pipe, a device) is written to directly. Throws
/// std::runtime_error, with the system's reason (a full disk), and then leaves no temporary file, and an
/// older file of that name as it was.
void write_file(const std::filesystem::path& path, const void* bytes, std::size_t size);

/// A name as a folder may have it: "DIG-25, smoothed" → "dig-25-smoothed".
std::string folder_name(const std::string& name);

}  // namespace digfusion::tools
