// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pickles, as far as a checkpoint needs them: a machine that makes numbers, text, None, lists, tuples, dicts
// and descriptions of tensors, and nothing else. It imports nothing and calls nothing: a pickle that names
// anything but these few types is refused by that name.
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace digfusion {

class Pickle {
 public:
  struct Node;
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,
    real,
    text,
    sequence,
    dict,
    global,
    storage,
    tensor,
    mark
  };
  /// Numbers by value, the rest by a pointer into the Pickle that made it.
  struct Value {
    Kind kind = Kind::none;
    union {
      bool boolean;
      std::int64_t integer;
      double real;
      Node* node = nullptr;
    };
  };
  /// `count` numbers of `type`, from number `first` on, of the file's storage `key`, which has `whole`
  /// numbers.
  struct Storage {
    at::ScalarType type = at::kFloat;
    std::string_view key;
    std::int64_t first = 0, count = 0, whole = 0;
  };
  struct Tensor {
    const Node* storage = nullptr;
    std::int64_t offset = 0;  ///< in numbers, from the storage's first
    std::vector<std::int64_t> sizes, strides;
  };
  struct Node {
    std::string_view text;     ///< of a text, or a global's name: the file's bytes
    std::string_view module;   ///< of a global
    std::vector<Value> items;  ///< of a list or tuple; of a dict key, value, key, value, …
    std::unique_ptr<Storage> storage;
    std::unique_ptr<Tensor> tensor;
  };

  /// Runs one pickle from the beginning of `bytes`, which must outlive this; `allowance` bounds the number of
  /// its operations, and of the values that they copy, and so the memory they take (at most about 100 bytes
  /// each). Throws std::runtime_error with what is wrong.
  Pickle(std::span<const std::byte> bytes, std::uint64_t allowance);

  const Value& result() const { return result_; }
  /// Everything that it has made.
  const std::deque<Node>& nodes() const { return nodes_; }
  /// Length of the pickle.
  std::size_t size() const { return position_; }

 private:
  using Memo = std::unordered_map<std::uint32_t, Value>;

  void spend(std::uint64_t operations);
  std::uint8_t byte();
  std::string_view take(std::uint64_t count);
  std::string_view line();
  std::uint64_t little_endian(int bytes);
  std::int64_t long_integer(std::uint64_t bytes);
  double real();

  Node& make(Value& value, Kind kind);
  void push(const Value& value);
  void push_node(Kind kind, std::string_view text);
  void push_integer(std::int64_t number);
  void push_global(std::string_view module, std::string_view name);
  Value pop();
  std::vector<Value> pop_items(std::size_t count);
  std::vector<Value> pop_to_mark();
  Node& top(Kind kind);
  void append(std::vector<Value> items, Kind kind);
  void push_items(std::vector<Value> items, Kind kind);
  void remember(std::uint64_t index);
  void recall(std::uint64_t index);

  void step(std::uint8_t operation);
  void persistent_id();
  void reduce();
  void build();
  Value tensor(const std::vector<Value>& arguments);

  std::span<const std::byte> bytes_;
  std::uint64_t allowance_;
  std::size_t position_ = 0;
  std::vector<Value> stack_;
  Memo memo_;
  std::deque<Node> nodes_;  // never moved: values point to them
  Value result_;
  bool done_ = false;
};

}  // namespace digfusion
