// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/programs/analyse/onnx.h"

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

namespace digfusion::test {

namespace {

constexpr int cell = 16;

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value > 127; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}
std::string number(int field, std::uint64_t value) { return varint(field << 3) + varint(value); }
std::string bytes(int field, const std::string& content) {
  return varint(field << 3 | 2) + varint(content.size()) + content;
}

std::string tensor(const std::string& name, const std::vector<int>& dims, int type, const std::string& raw) {
  std::string text;
  for (const int dim : dims) text += number(1, dim);
  return text + number(2, type) + bytes(8, name) + bytes(9, raw);
}
std::string floats(const std::string& name, const std::vector<int>& dims, const std::vector<float>& values) {
  return tensor(name, dims, 1, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}
std::string integers(const std::string& name, const std::vector<std::int64_t>& values) {
  return tensor(name, {static_cast<int>(values.size())}, 7,
                {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int64_t)});
}

/// An attribute that is a list of integers.
std::string attribute(const std::string& name, const std::vector<int>& values) {
  std::string text = bytes(1, name);
  for (const int value : values) text += number(8, value);
  return text + number(20, 7);
}

std::string node(const std::string& operation, std::initializer_list<std::string> inputs,
                 const std::string& output, std::initializer_list<std::string> attributes = {}) {
  std::string text;
  for (const std::string& input : inputs) text += bytes(1, input);
  text += bytes(2, output) + bytes(3, output) + bytes(4, operation);
  for (const std::string& each : attributes) text += bytes(5, each);
  return text;
}

std::string value(const std::string& name, const std::vector<int>& dims) {
  std::string shape;
  for (const int dim : dims) shape += bytes(1, number(1, dim));
  return bytes(1, name) + bytes(2, bytes(1, number(1, 1) + bytes(2, shape)));
}

/// Channels: x, y, width, height, [objectness,] class 0, class 1.
struct Channels {
  int count, score;
};

std::string model(int size, Channels channels, const std::vector<std::string>& more_nodes,
                  const std::string& shape, const std::vector<int>& output_dims, bool has_objectness) {
  const int cells = size / cell, count = channels.count;
  // The last channel is the mean over a cell, all others are constants.
  std::vector<float> weights(count * 3 * cell * cell, 0.f);
  for (int i = 0; i < 3 * cell * cell; ++i)
    weights[channels.score * 3 * cell * cell + i] = 1.f / (3 * cell * cell);
  std::vector<float> constants(count * cells * cells, 0.f);
  const auto set = [&](int channel, int y, int x, float to) {
    constants[(channel * cells + y) * cells + x] = to;
  };
  for (int y = 0; y < cells; ++y)
    for (int x = 0; x < cells; ++x) {
      set(0, y, x, (x + .5f) * cell);
      set(1, y, x, (y + .5f) * cell);
      set(2, y, x, cell);
      set(3, y, x, cell);
      if (has_objectness) set(4, y, x, 1);
    }

  std::string graph =
      bytes(1, node("Conv", {"images", "weights"}, "means",
                    {attribute("kernel_shape", {cell, cell}), attribute("strides", {cell, cell})})) +
      bytes(1, node("Add", {"means", "constants"}, more_nodes.empty() ? "output" : "map"));
  for (const std::string& each : more_nodes) graph += bytes(1, each);
  graph += bytes(2, "bright squares") + bytes(5, floats("weights", {count, 3, cell, cell}, weights)) +
           bytes(5, floats("constants", {1, count, cells, cells}, constants));
  if (!shape.empty()) graph += bytes(5, shape);
  graph += bytes(11, value("images", {1, 3, size, size})) + bytes(12, value("output", output_dims));
  return number(1, 7) + bytes(7, graph) + bytes(8, number(2, 11));
}

}  // namespace

std::string bright_square_model(int size, Layout layout) {
  const int cells = size / cell, candidates = cells * cells;
  if (layout == Layout::columns)
    return model(size, {6, 5}, {node("Reshape", {"map", "shape"}, "output")},
                 integers("shape", {1, 6, candidates}), {1, 6, candidates}, false);
  return model(size, {7, 6},
               {node("Reshape", {"map", "shape"}, "list"),
                node("Transpose", {"list"}, "output", {attribute("perm", {0, 2, 1})})},
               integers("shape", {1, 7, candidates}), {1, candidates, 7}, true);
}

std::string map_model(int size) {
  const int cells = size / cell;
  return model(size, {7, 6}, {}, {}, {1, 7, cells, cells}, true);
}

}  // namespace digfusion::test
