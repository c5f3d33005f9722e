// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Model files of the tests: tiny networks, and files written byte by byte.
#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/denoiser/gradient_student.h"
#include "core/denoiser/model_file.h"

namespace digfusion {

/// A denoiser of a few hundred weights, as initialised.
inline ModelFile tiny_denoiser(std::uint64_t seed = 1) {
  ModelFile file;
  file.kind = ModelKind::denoiser;
  file.config = {
      .unshuffle = 2, .widths = {4, 6}, .blocks = 1, .middle_blocks = 1, .outputs = 4, .embedding = 8};
  file.weights = initialise_unet(file.config, at::detail::createCPUGenerator(seed));
  return file;
}

inline ModelFile tiny_student(std::uint64_t seed = 1) {
  ModelFile file;
  file.kind = ModelKind::student;
  file.timesteps = {300, 30};
  file.config = {
      .unshuffle = 2, .widths = {4, 6}, .blocks = 1, .middle_blocks = 1, .outputs = 10, .embedding = 0};
  file.weights = initialise_unet(file.config, at::detail::createCPUGenerator(seed));
  return file;
}

inline ModelFile tiny_gradient_student(std::uint64_t seed = 1) {
  ModelFile file;
  file.kind = ModelKind::gradient_student;
  file.timesteps = {300, 30};
  file.config = gradient_student_config(file.timesteps.size());
  file.config.unshuffle = 2;
  file.config.outputs = 4;
  file.config.widths = {4, 6};
  file.config.down_blocks = file.config.up_blocks = {1};
  file.weights = initialise_unet(file.config, at::detail::createCPUGenerator(seed));
  return file;
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
}

/// A safetensors file of this header, padded with zeros to `data` bytes of tensors.
inline void write_header(const std::filesystem::path& path, const std::string& header, std::size_t data = 0) {
  std::string bytes(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  write_bytes(path, bytes + header + std::string(data, '\0'));
}

}  // namespace digfusion
