// The machine of a pickle: a stack of values, marks on it, and a memo of values that are used again.
#include "gpt2run/pickle/pickle.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "globals.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "opcodes.hpp"

namespace gpt2run::pickle {
namespace {

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& where, std::string_view advice)
      : bytes_(bytes), where_(where), advice_(advice) {}

  Pickle run() {
    for (size_t count = 0;; ++count) {
      if (count == kMaxOpcodes) fail(where_, ": expected a pickle of at most ", kMaxOpcodes, " opcodes, found more");
      opcode_at_ = at_;
      const auto opcode = static_cast<Opcode>(number<uint8_t>());
      if (opcode == Opcode::stop) break;
      step(opcode);
    }
    pickle_.root = pop();
    pickle_.bytes = at_;
    return std::move(pickle_);
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(where_, ": byte ", opcode_at_, " of its pickle: ", parts...);
  }

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_)
      refuse("expected ", count, " more bytes, found ", bytes_.size() - at_, ": the file was cut or is damaged");
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }

  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  double big_endian_double() {
    const uint64_t bits = number<uint64_t>();
    return std::bit_cast<double>(__builtin_bswap64(bits));
  }

  // A line of the text opcodes, without its end.
  std::string_view line() {
    constexpr size_t kLongest = 1000;
    const std::string_view rest = bytes_.substr(at_, kLongest);
    const size_t end = rest.find('\n');
    if (end == rest.npos) refuse("expected a name that ends with a newline, found none");
    take(end + 1);
    return rest.substr(0, end);
  }

  void push(const Value& value) { stack_.push_back(value); }
  void push_integer(int64_t value) { push({.kind = Kind::integer, .integer = value}); }
  void push_flag(bool value) { push({.kind = Kind::boolean, .integer = value}); }
  void push_text(std::string_view text, Kind kind = Kind::text) {
    if (text.size() > UINT32_MAX) refuse("expected a text below 4 GiB, found ", text.size(), " bytes");
    push({.kind = kind, .size = static_cast<uint32_t>(text.size()), .text = text.data()});
  }

  // Values below the last mark belong to an outer list.
  Value pop() {
    if (stack_.size() <= floor()) refuse("expected a value on the stack, found none");
    const Value value = stack_.back();
    stack_.pop_back();
    return value;
  }

  const Value& top() const {
    if (stack_.size() <= floor()) refuse("expected a value on the stack, found none");
    return stack_.back();
  }

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  // The values above the last mark, which is removed with them.
  std::vector<Value> pop_marked() {
    if (marks_.empty()) refuse("expected a mark on the stack, found none");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Value> values(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return values;
  }

  std::vector<Value> pop_some(size_t count) {
    std::vector<Value> values(count);
    for (size_t i = count; i-- > 0;) values[i] = pop();
    return values;
  }

  void push_container(Kind kind, std::vector<Value> values) {
    count_items(values.size());
    push({.kind = kind, .index = static_cast<uint32_t>(pickle_.containers.size())});
    pickle_.containers.push_back(std::move(values));
  }

  void count_items(size_t count) {
    items_ += count;
    if (items_ > kMaxOpcodes) refuse("expected at most ", kMaxOpcodes, " values in lists, found more");
  }

  void extend(Kind kind, std::span<const Value> values) {
    const Value& target = top();
    const bool fits = target.kind == kind || (kind == Kind::dict && target.kind == Kind::object);
    if (!fits) refuse("expected a ", name_of(kind), " to add to, found a ", name_of(target.kind));
    if (kind == Kind::dict && values.size() % 2) refuse("expected keys and values in turn, found ", values.size());
    count_items(values.size());
    auto& items = pickle_.containers[target.index];
    items.insert(items.end(), values.begin(), values.end());
  }

  void remember(uint64_t index) {
    // A pickle numbers what it remembers in order.
    if (index > 2 * remembered_ + 64) refuse("expected the next number of the memo, found ", index);
    if (index >= memo_.size()) memo_.resize(index + 1);
    memo_[index] = top();
    ++remembered_;
  }

  void recall(uint64_t index) {
    if (index >= memo_.size() || !memo_[index]) refuse("expected a number of the memo, found ", index);
    push(*memo_[index]);
  }

  // An integer as two's complement of any length.
  void push_long(std::string_view bytes) {
    if (bytes.size() > sizeof(int64_t)) return push_text(bytes, Kind::number);
    uint64_t bits = !bytes.empty() && (bytes.back() & 0x80) ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      bits &= ~(uint64_t{0xff} << (8 * i));
      bits |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    push_integer(static_cast<int64_t>(bits));
  }

  void push_global(std::string_view module, std::string_view name) {
    for (size_t i = 0; i < std::size(kGlobals); ++i) {
      const Global& global = kGlobals[i];
      if (global.name != name || (!global.module.empty() && global.module != module)) continue;
      return push({.kind = Kind::global, .index = static_cast<uint32_t>(i)});
    }
    if (module == "torch._utils")
      refuse("expected tensors of float64, float32, float16, bfloat16 or whole numbers, found the kind that ",
             in_quotes(name), " makes: convert the weights first, as by model.float() in Python");
    if (module.starts_with("numpy"))
      refuse("expected tensors and plain values, found an array of numpy (",
             in_quotes(std::string(module) + "." + std::string(name)),
             "): make tensors of the arrays, by torch.from_numpy() in Python, and save again");
    refuse("expected tensors and plain values, found ", in_quotes(std::string(module) + "." + std::string(name)),
           ", which is never imported or called here", advice_);
  }

  void push_stack_global() {
    const std::vector<Value> names = pop_some(2);
    if (names[0].kind != Kind::text || names[1].kind != Kind::text) refuse("expected a name of two texts");
    push_global(names[0].view(), names[1].view());
  }

  const Global& global_of(const Value& value) const {
    if (value.kind != Kind::global) refuse("expected the name of a function or class, found a ", name_of(value.kind));
    return kGlobals[value.index];
  }

  std::span<const Value> list_of(const Value& value) const {
    if (value.kind != Kind::list) refuse("expected a tuple, found a ", name_of(value.kind));
    return pickle_.items(value);
  }

  int64_t size_of(const Value& value) const {
    if (value.kind != Kind::integer || value.integer < 0)
      refuse("expected a number from 0 for a tensor or storage, found ",
             value.kind == Kind::integer ? std::to_string(value.integer) : std::string("a ") + name_of(value.kind));
    return value.integer;
  }

  std::vector<int64_t> sizes_of(const Value& value) const {
    const auto items = list_of(value);
    if (items.size() > kMaxDimensions)
      refuse("expected a tensor of at most ", kMaxDimensions, " dimensions, found ", items.size());
    std::vector<int64_t> sizes;
    for (const Value& item : items) sizes.push_back(size_of(item));
    return sizes;
  }

  // What calling `function` with a tuple of arguments would make.
  void push_made(const Value& function, const Value& given) {
    const Global& global = global_of(function);
    const auto arguments = list_of(given);
    const auto expect = [&](size_t least) {
      if (arguments.size() < least) refuse(global.name, ": expected ", least, " arguments, found ", arguments.size());
    };
    switch (global.meaning) {
      case Meaning::ordered_dict:
        return push_ordered_dict(arguments);
      case Meaning::default_dict:
        return push_container(Kind::dict, {});
      case Meaning::settings:
        return push_container(Kind::object, {});
      case Meaning::rebuild_tensor:
        expect(4);
        return push_tensor(arguments);
      case Meaning::rebuild_parameter:
      case Meaning::size:
      case Meaning::encode:
        expect(1);
        return push(Value(arguments[0]));
      case Meaning::ignored:
        return push({});
      case Meaning::storage:
        break;
    }
    refuse("expected a function, found ", global.module, ".", global.name);
  }

  // Python 2 gives the pairs as an argument.
  void push_ordered_dict(std::span<const Value> arguments) {
    std::vector<Value> items;
    if (!arguments.empty()) {
      for (const Value& pair : list_of(arguments[0])) {
        const auto both = list_of(pair);
        if (both.size() != 2) refuse("OrderedDict: expected pairs, found ", both.size(), " values");
        items.insert(items.end(), both.begin(), both.end());
      }
    }
    push_container(Kind::dict, std::move(items));
  }

  void push_tensor(std::span<const Value> arguments) {
    if (arguments[0].kind != Kind::storage)
      refuse("expected the storage of a tensor, found a ", name_of(arguments[0].kind));
    PickledTensor tensor{arguments[0].index, size_of(arguments[1]), sizes_of(arguments[2]), sizes_of(arguments[3])};
    if (tensor.shape.size() != tensor.strides.size())
      refuse("expected a stride for each of ", tensor.shape.size(), " dimensions, found ", tensor.strides.size());
    push({.kind = Kind::tensor, .index = static_cast<uint32_t>(pickle_.tensors.size())});
    pickle_.tensors.push_back(std::move(tensor));
  }

  // ("storage", type, key, device, number of elements); old files have the view of another storage besides, or None.
  void push_storage() {
    const Value id = pop();
    const auto parts = list_of(id);
    if (parts.size() < 5 || parts[0].kind != Kind::text || parts[0].view() != "storage" || parts[2].kind != Kind::text)
      refuse("expected the description of a storage, found another persistent id");
    const Global& type = global_of(parts[1]);
    if (type.meaning != Meaning::storage) refuse("expected the type of a storage, found ", type.name);
    if (parts.size() > 5 && parts[5].kind != Kind::none)
      refuse("expected a storage of its own, found the view of another one (PyTorch before 0.4)", advice_);
    push({.kind = Kind::storage, .index = static_cast<uint32_t>(pickle_.storages.size())});
    pickle_.storages.push_back({type.dtype, type.element_bytes, size_of(parts[4]), parts[2].view()});
  }

  // Sets the state of an object. That of a dictionary or tensor is of no use here.
  void build() {
    const Value state = pop();
    if (top().kind == Kind::object && state.kind == Kind::dict) extend(Kind::dict, pickle_.items(state));
  }

  void step(Opcode opcode);
  bool step_number(Opcode opcode);
  bool step_text(Opcode opcode);
  bool step_container(Opcode opcode);

  std::string_view bytes_;
  const std::string& where_;
  std::string_view advice_;
  size_t at_ = 0, opcode_at_ = 0;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;
  std::vector<std::optional<Value>> memo_;
  size_t items_ = 0, remembered_ = 0;
  Pickle pickle_;
};

bool Machine::step_number(Opcode opcode) {
  switch (opcode) {
    case Opcode::none:
      return push({}), true;
    case Opcode::new_true:
    case Opcode::new_false:
      return push_flag(opcode == Opcode::new_true), true;
    case Opcode::bin_int:
      return push_integer(number<int32_t>()), true;
    case Opcode::bin_int1:
      return push_integer(number<uint8_t>()), true;
    case Opcode::bin_int2:
      return push_integer(number<uint16_t>()), true;
    case Opcode::long1:
      return push_long(take(number<uint8_t>())), true;
    case Opcode::long4:
      return push_long(take(number<uint32_t>())), true;
    case Opcode::bin_float:
      return push({.kind = Kind::real, .real = big_endian_double()}), true;
    default:
      return false;
  }
}

bool Machine::step_text(Opcode opcode) {
  switch (opcode) {
    case Opcode::short_bin_unicode:
    case Opcode::short_bin_bytes:
    case Opcode::short_bin_string:
      return push_text(take(number<uint8_t>())), true;
    case Opcode::bin_unicode:
    case Opcode::bin_bytes:
    case Opcode::bin_string:
      return push_text(take(number<uint32_t>())), true;
    case Opcode::bin_unicode8:
    case Opcode::bin_bytes8:
      return push_text(take(number<uint64_t>())), true;
    default:
      return false;
  }
}

bool Machine::step_container(Opcode opcode) {
  switch (opcode) {
    case Opcode::mark:
      if (marks_.size() == kMaxDepth) refuse("expected at most ", kMaxDepth, " lists in each other, found more");
      return marks_.push_back(stack_.size()), true;
    case Opcode::empty_list:
    case Opcode::empty_tuple:
    case Opcode::empty_set:
      return push_container(Kind::list, {}), true;
    case Opcode::empty_dict:
      return push_container(Kind::dict, {}), true;
    case Opcode::tuple:
    case Opcode::frozen_set:
      return push_container(Kind::list, pop_marked()), true;
    case Opcode::tuple1:
    case Opcode::tuple2:
    case Opcode::tuple3:
      return push_container(Kind::list, pop_some(size_t(opcode) - size_t(Opcode::tuple1) + 1)), true;
    case Opcode::append:
      return extend(Kind::list, pop_some(1)), true;
    case Opcode::appends:
    case Opcode::add_items:
      return extend(Kind::list, pop_marked()), true;
    case Opcode::set_item:
      return extend(Kind::dict, pop_some(2)), true;
    case Opcode::set_items:
      return extend(Kind::dict, pop_marked()), true;
    default:
      return false;
  }
}

void Machine::step(Opcode opcode) {
  if (step_number(opcode) || step_text(opcode) || step_container(opcode)) return;
  switch (opcode) {
    case Opcode::proto:
      take(1);
      return;
    case Opcode::frame:
      take(8);
      return;
    case Opcode::bin_put:
      return remember(number<uint8_t>());
    case Opcode::long_bin_put:
      return remember(number<uint32_t>());
    case Opcode::memoize:
      return remember(remembered_);
    case Opcode::bin_get:
      return recall(number<uint8_t>());
    case Opcode::long_bin_get:
      return recall(number<uint32_t>());
    case Opcode::global: {
      const std::string_view module = line();
      return push_global(module, line());
    }
    case Opcode::stack_global:
      return push_stack_global();
    case Opcode::reduce:
    case Opcode::new_obj: {
      const std::vector<Value> call = pop_some(2);
      return push_made(call[0], call[1]);
    }
    case Opcode::build:
      return build();
    case Opcode::bin_pers_id:
      return push_storage();
    default:
      refuse("expected an opcode of protocols 2 to 5 for plain values, found ", opcode_text(opcode), advice_);
  }
}

}  // namespace

const char* name_of(Kind kind) {
  constexpr const char* kNames[] = {"None", "flag", "number", "number", "text",    "number",
                                    "name", "list", "dict",   "object", "storage", "tensor"};
  return kNames[static_cast<size_t>(kind)];
}

std::span<const Value> Pickle::items(const Value& value) const {
  const bool has_items = value.kind == Kind::list || value.kind == Kind::dict || value.kind == Kind::object;
  return has_items ? std::span<const Value>(containers[value.index]) : std::span<const Value>();
}

std::optional<Value> Pickle::find(const Value& dict, std::string_view key) const {
  std::optional<Value> found;
  if (dict.kind != Kind::dict && dict.kind != Kind::object) return found;
  const auto all = items(dict);
  for (size_t i = 0; i + 1 < all.size(); i += 2)
    if (all[i].kind == Kind::text && all[i].view() == key) found = all[i + 1];
  return found;
}

Pickle read_pickle(std::string_view bytes, const std::string& where, std::string_view advice) {
  return Machine(bytes, where, advice).run();
}

}  // namespace gpt2run::pickle
