// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The opcodes are those of CPython's pickletools, protocols 2 to 5 as far as PyTorch has ever used them.
#include "core/denoiser/unpickler.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace digfusion {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw std::runtime_error(what); }

/// Text of a file for a message: short, and printable.
std::string in_quotes(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::string result = "\"";
  for (const char c : text.substr(0, longest)) result += c >= ' ' && c < 127 ? c : '?';
  return result + (text.size() > longest ? "…\"" : "\"");
}

struct StorageType {
  std::string_view name;  // in module torch
  at::ScalarType type;
};
constexpr StorageType storage_types[] = {
    {"FloatStorage", at::kFloat},   {"HalfStorage", at::kHalf}, {"BFloat16Storage", at::kBFloat16},
    {"DoubleStorage", at::kDouble}, {"LongStorage", at::kLong}, {"IntStorage", at::kInt},
    {"ShortStorage", at::kShort},   {"CharStorage", at::kChar}, {"ByteStorage", at::kByte},
    {"BoolStorage", at::kBool},
};

struct Global {
  std::string_view module, name;
  bool operator==(const Global&) const = default;
};
constexpr Global ordered_dict{"collections", "OrderedDict"}, size_type{"torch", "Size"},
    rebuild_parameter{"torch._utils", "_rebuild_parameter"};
constexpr Global rebuild_tensor[] = {{"torch._utils", "_rebuild_tensor"},
                                     {"torch._utils", "_rebuild_tensor_v2"}};

Global global_of(const Pickle::Node& node) { return {node.module, node.text}; }

const StorageType* storage_type(const Global& global) {
  for (const StorageType& type : storage_types)
    if (global == Global{"torch", type.name}) return &type;
  return nullptr;
}

bool rebuilds_tensor(const Global& global) {
  return global == rebuild_tensor[0] || global == rebuild_tensor[1];
}

std::int64_t integer_of(const Pickle::Value& value, const char* what) {
  if (value.kind != Pickle::Kind::integer)
    refuse(std::string("its pickle gives a tensor a ") + what + " that is no integer");
  return value.integer;
}

std::vector<std::int64_t> integers_of(const Pickle::Value& value, const char* what) {
  constexpr std::size_t most = 8;
  if (value.kind != Pickle::Kind::sequence) refuse(std::string("its pickle gives a tensor no ") + what);
  if (value.node->items.size() > most) refuse("it has a tensor of more than 8 dimensions");
  std::vector<std::int64_t> result;
  for (const Pickle::Value& item : value.node->items) result.push_back(integer_of(item, what));
  return result;
}

}  // namespace

Pickle::Pickle(std::span<const std::byte> bytes, std::uint64_t allowance)
    : bytes_(bytes), allowance_(allowance) {
  while (!done_) {
    spend(1);
    step(byte());
  }
}

void Pickle::spend(std::uint64_t operations) {
  if (operations > allowance_) refuse("its pickle is impossibly long for the tensors that the file can hold");
  allowance_ -= operations;
}

std::uint8_t Pickle::byte() { return static_cast<std::uint8_t>(take(1)[0]); }

std::string_view Pickle::take(std::uint64_t count) {
  if (count > bytes_.size() - position_)
    refuse("its pickle ends in the middle: the file is truncated or damaged");
  const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + position_, count);
  position_ += count;
  return text;
}

std::string_view Pickle::line() {
  const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_,
                              bytes_.size() - position_);
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos)
    refuse("its pickle ends in the middle: the file is truncated or damaged");
  position_ += end + 1;
  return rest.substr(0, end);
}

std::uint64_t Pickle::little_endian(int count) {
  const std::string_view text = take(static_cast<std::uint64_t>(count));
  std::uint64_t value = 0;
  for (int i = count; i-- > 0;)
    value = value << 8 | static_cast<std::uint8_t>(text[static_cast<std::size_t>(i)]);
  return value;
}

std::int64_t Pickle::long_integer(std::uint64_t count) {
  const std::string_view text = take(count);
  if (count > 8) return 0;  // wider than any number that matters here; the legacy format's mark is one
  std::uint64_t value = count > 0 && (text[count - 1] & 0x80) ? ~std::uint64_t{0} : 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(text[i]);
  return std::bit_cast<std::int64_t>(value);
}

double Pickle::real() {
  std::uint64_t bits = 0;
  for (const char c : take(8)) bits = bits << 8 | static_cast<std::uint8_t>(c);  // big-endian
  return std::bit_cast<double>(bits);
}

Pickle::Node& Pickle::make(Value& value, Kind kind) {
  value.kind = kind;
  value.node = &nodes_.emplace_back();
  return *value.node;
}

void Pickle::push(const Value& value) {
  constexpr std::size_t deepest = 200'000;
  if (stack_.size() >= deepest) refuse("its pickle needs an impossibly deep stack");
  stack_.push_back(value);
}

void Pickle::push_node(Kind kind, std::string_view text) {
  Value value;
  make(value, kind).text = text;
  push(value);
}

void Pickle::push_integer(std::int64_t number) {
  Value value;
  value.kind = Kind::integer;
  value.integer = number;
  push(value);
}

Pickle::Value Pickle::pop() {
  if (stack_.empty() || stack_.back().kind == Kind::mark) refuse("its pickle is damaged: the stack is empty");
  const Value value = stack_.back();
  stack_.pop_back();
  return value;
}

std::vector<Pickle::Value> Pickle::pop_items(std::size_t count) {
  std::vector<Value> items(count);
  while (count-- > 0) items[count] = pop();
  return items;
}

std::vector<Pickle::Value> Pickle::pop_to_mark() {
  std::size_t begin = stack_.size();
  while (begin > 0 && stack_[begin - 1].kind != Kind::mark) --begin;
  if (begin == 0) refuse("its pickle is damaged: a mark is missing");
  std::vector<Value> items(stack_.begin() + static_cast<std::ptrdiff_t>(begin), stack_.end());
  stack_.resize(begin - 1);
  return items;
}

Pickle::Node& Pickle::top(Kind kind) {
  if (stack_.empty() || stack_.back().kind != kind)
    refuse("its pickle is damaged: a list or dict is missing");
  return *stack_.back().node;
}

void Pickle::append(std::vector<Value> items, Kind kind) {
  if (kind == Kind::dict && items.size() % 2 != 0) refuse("its pickle is damaged: a dict lacks a value");
  Node& node = top(kind);
  node.items.insert(node.items.end(), items.begin(), items.end());
}

void Pickle::push_items(std::vector<Value> items, Kind kind) {
  if (kind == Kind::dict && items.size() % 2 != 0) refuse("its pickle is damaged: a dict lacks a value");
  Value value;
  make(value, kind).items = std::move(items);
  push(value);
}

void Pickle::remember(std::uint64_t index) {
  if (stack_.empty()) refuse("its pickle is damaged: the stack is empty");
  memo_[static_cast<std::uint32_t>(index)] = stack_.back();
}

void Pickle::recall(std::uint64_t index) {
  const auto found = memo_.find(static_cast<std::uint32_t>(index));
  if (found == memo_.end()) refuse("its pickle is damaged: it uses a value that it hasn't made");
  push(found->second);
}

void Pickle::step(std::uint8_t operation) {
  const auto boolean = [&](bool truth) {
    Value value;
    value.kind = Kind::boolean;
    value.boolean = truth;
    push(value);
  };
  switch (operation) {
    case 0x80:
      (void)byte();
      return;  // PROTO
    case 0x95:
      (void)take(8);
      return;  // FRAME
    case '.':  // STOP
      result_ = pop();
      done_ = true;
      return;
    case '(': {  // MARK
      Value mark;
      mark.kind = Kind::mark;
      push(mark);
      return;
    }
    case '0':
      (void)pop();
      return;  // POP
    case '1':
      (void)pop_to_mark();
      return;  // POP_MARK
    case 'N':
      push({});
      return;  // NONE
    case 0x88:
      boolean(true);
      return;  // NEWTRUE
    case 0x89:
      boolean(false);
      return;  // NEWFALSE
    case 'J':
      push_integer(static_cast<std::int32_t>(little_endian(4)));
      return;  // BININT
    case 'K':
      push_integer(byte());
      return;  // BININT1
    case 'M':
      push_integer(static_cast<std::int64_t>(little_endian(2)));
      return;  // BININT2
    case 0x8a:
      push_integer(long_integer(byte()));
      return;    // LONG1
    case 'G': {  // BINFLOAT
      Value value;
      value.kind = Kind::real;
      value.real = real();
      push(value);
      return;
    }
    case 'X':
      push_node(Kind::text, take(little_endian(4)));
      return;  // BINUNICODE
    case 0x8c:
      push_node(Kind::text, take(byte()));
      return;  // SHORT_BINUNICODE
    case 0x8d:
      push_node(Kind::text, take(little_endian(8)));
      return;  // BINUNICODE8
    case 'T':
      push_node(Kind::text, take(little_endian(4)));
      return;  // BINSTRING (Python 2)
    case 'U':
      push_node(Kind::text, take(byte()));
      return;  // SHORT_BINSTRING
    case ']':
      push_node(Kind::sequence, {});
      return;  // EMPTY_LIST
    case ')':
      push_node(Kind::sequence, {});
      return;  // EMPTY_TUPLE
    case '}':
      push_node(Kind::dict, {});
      return;  // EMPTY_DICT
    case 'l':
    case 't':
      push_items(pop_to_mark(), Kind::sequence);
      return;  // LIST, TUPLE
    case 'd':
      push_items(pop_to_mark(), Kind::dict);
      return;  // DICT
    case 0x85:
      push_items(pop_items(1), Kind::sequence);
      return;  // TUPLE1
    case 0x86:
      push_items(pop_items(2), Kind::sequence);
      return;  // TUPLE2
    case 0x87:
      push_items(pop_items(3), Kind::sequence);
      return;  // TUPLE3
    case 'a':
      append(pop_items(1), Kind::sequence);
      return;  // APPEND
    case 'e':
      append(pop_to_mark(), Kind::sequence);
      return;  // APPENDS
    case 's':
      append(pop_items(2), Kind::dict);
      return;  // SETITEM
    case 'u':
      append(pop_to_mark(), Kind::dict);
      return;  // SETITEMS
    case 'q':
      remember(byte());
      return;  // BINPUT
    case 'r':
      remember(little_endian(4));
      return;  // LONG_BINPUT
    case 0x94:
      remember(memo_.size());
      return;  // MEMOIZE
    case 'h':
      recall(byte());
      return;  // BINGET
    case 'j':
      recall(little_endian(4));
      return;    // LONG_BINGET
    case 'c': {  // GLOBAL
      const std::string_view module = line();
      push_global(module, line());
      return;
    }
    case 0x93: {  // STACK_GLOBAL
      const std::vector<Value> names = pop_items(2);
      if (names[0].kind != Kind::text || names[1].kind != Kind::text)
        refuse("its pickle is damaged: a type without a name");
      push_global(names[0].node->text, names[1].node->text);
      return;
    }
    case 'Q':
      persistent_id();
      return;  // BINPERSID
    case 'R':
      reduce();
      return;  // REDUCE
    case 0x81:
      reduce();
      return;  // NEWOBJ
    case 'b':
      build();
      return;  // BUILD
    default: {
      constexpr char digits[] = "0123456789abcdef";
      refuse(std::string("its pickle has the operation 0x") + digits[operation >> 4] +
             digits[operation & 15] +
             ", which no checkpoint needs: not a PyTorch checkpoint, or a damaged one");
    }
  }
}

/// A type or function, by name: those of tensors, dicts and numbers alone.
void Pickle::push_global(std::string_view module, std::string_view name) {
  const Global global{module, name};
  if (global != ordered_dict && global != size_type && global != rebuild_parameter &&
      !rebuilds_tensor(global) && !storage_type(global))
    refuse("it holds " +
           in_quotes(std::string(module.substr(0, 80)) + "." + std::string(name.substr(0, 80))) +
           ", which isn't a tensor, a dict, a number or text; only these are read from a pickle. Save the "
           "state_dict alone");
  Value value;
  Node& node = make(value, Kind::global);
  node.module = module;
  node.text = name;
  push(value);
}

void Pickle::persistent_id() {
  const Value id = pop();
  constexpr std::size_t longest_key = 1000;  // looked up for every tensor
  const auto wrong = [] { refuse("its pickle describes a tensor's storage in an unknown way"); };
  if (id.kind != Kind::sequence || id.node->items.size() < 5) wrong();
  const std::vector<Value>& items = id.node->items;
  if (items[0].kind != Kind::text || items[0].node->text != "storage" || items[1].kind != Kind::global ||
      items[2].kind != Kind::text || items[2].node->text.size() > longest_key ||
      items[4].kind != Kind::integer || items[4].integer < 0)
    wrong();
  const StorageType* type = storage_type(global_of(*items[1].node));
  if (!type) wrong();
  Value value;
  Node& node = make(value, Kind::storage);
  node.storage = std::make_unique<Storage>(
      Storage{type->type, items[2].node->text, 0, items[4].integer, items[4].integer});
  Storage& storage = *node.storage;
  if (items.size() > 5 &&
      items[5].kind == Kind::sequence) {  // the legacy format's view: key, first number, count
    const std::vector<Value>& view = items[5].node->items;
    if (view.size() != 3 || view[1].kind != Kind::integer || view[2].kind != Kind::integer ||
        view[1].integer < 0 || view[2].integer < 0)
      wrong();
    storage.first = view[1].integer;
    storage.count = view[2].integer;
  }
  push(value);
}

void Pickle::reduce() {
  const std::vector<Value> call = pop_items(2);
  if (call[0].kind != Kind::global || call[1].kind != Kind::sequence)
    refuse("its pickle calls what isn't a function");
  const Global global = global_of(*call[0].node);
  const std::vector<Value>& arguments = call[1].node->items;
  if (global == ordered_dict) {
    std::vector<Value> items;
    if (arguments.size() > 1 || (arguments.size() == 1 && arguments[0].kind != Kind::sequence))
      refuse("its pickle makes an OrderedDict of something else than pairs");
    if (arguments.size() == 1) {
      spend(arguments[0].node->items.size());  // a few operations could copy one long list again and again
      for (const Value& pair : arguments[0].node->items) {
        if (pair.kind != Kind::sequence || pair.node->items.size() != 2)
          refuse("its pickle makes an OrderedDict of something else than pairs");
        items.insert(items.end(), pair.node->items.begin(), pair.node->items.end());
      }
    }
    push_items(std::move(items), Kind::dict);
  } else if (global == size_type) {
    if (arguments.size() != 1 || arguments[0].kind != Kind::sequence)
      refuse("its pickle makes a torch.Size of no tuple");
    push(arguments[0]);
  } else if (global == rebuild_parameter) {
    if (arguments.empty() || arguments[0].kind != Kind::tensor)
      refuse("its pickle makes a parameter of no tensor");
    push(arguments[0]);
  } else if (rebuilds_tensor(global)) {
    push(tensor(arguments));
  } else {
    refuse("its pickle calls torch." + std::string(global.name) +
           ", which only stands for a kind of storage");
  }
}

void Pickle::build() {
  const Value state = pop();
  // An OrderedDict's attributes (a state_dict has _metadata): of no use here.
  if (stack_.empty() || stack_.back().kind != Kind::dict || state.kind != Kind::dict)
    refuse("its pickle gives attributes to what isn't a dict");
}

Pickle::Value Pickle::tensor(const std::vector<Value>& arguments) {
  if (arguments.size() < 4 || arguments[0].kind != Kind::storage)
    refuse("its pickle makes a tensor of no storage");
  Value value;
  Node& node = make(value, Kind::tensor);
  node.tensor = std::make_unique<Tensor>(Tensor{arguments[0].node, integer_of(arguments[1], "offset"),
                                                integers_of(arguments[2], "size"),
                                                integers_of(arguments[3], "stride")});
  const Tensor& tensor = *node.tensor;
  const Storage& storage = *tensor.storage->storage;
  bool fits =
      tensor.sizes.size() == tensor.strides.size() && tensor.offset >= 0 && tensor.offset <= storage.count;
  // The last number's place, which must be in the storage; and no storage repeated to make a larger tensor.
  std::int64_t last = tensor.offset, count = 1;
  bool is_empty = false;
  for (std::size_t i = 0; fits && i < tensor.sizes.size(); ++i) {
    const std::int64_t size = tensor.sizes[i], stride = tensor.strides[i];
    std::int64_t span = 0;
    fits = size >= 0 && stride >= 0 && !__builtin_mul_overflow(size > 0 ? size - 1 : 0, stride, &span) &&
           !__builtin_add_overflow(last, span, &last) &&
           !__builtin_mul_overflow(count, std::max<std::int64_t>(size, 1), &count);
    if (size == 0) is_empty = true;
  }
  if (!fits || (!is_empty && (last >= storage.count || count > storage.count)))
    refuse("it has a tensor of shape " + c10::str(at::IntArrayRef(tensor.sizes)) +
           " that doesn't fit its storage of " + std::to_string(storage.count) +
           " numbers: the file is damaged");
  return value;
}

}  // namespace digfusion
