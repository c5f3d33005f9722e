// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Writes a small ONNX model: a network that finds bright squares and says so as YOLO does. It needs no
// library, since of protocol buffers an ONNX file uses two things: a number (key, varint) and a piece of
// bytes (key, length, bytes). Field numbers are those of onnx.proto3 (github.com/onnx/onnx).
#pragma once

#include <string>

namespace digfusion::test {

/// The shapes that YOLO exports have.
enum class Layout {
  rows,    ///< YOLOv5: [1, N, 5 + C], with an objectness
  columns  ///< YOLOv8 and later: [1, 4 + C, N]
};

/// Bytes of a model for `size` by `size` pixels (a multiple of 16) that divides its input into cells of 16 by
/// 16. Each is a candidate with a box of 16 by 16 around the cell's middle. Its score in class 1 of two is
/// the cell's mean brightness (0..1), in class 0 nothing.
std::string bright_square_model(int size, Layout layout);

/// As bright_square_model(), but the output is [1, 7, size/16, size/16], which no YOLO has.
std::string map_model(int size);

}  // namespace digfusion::test
