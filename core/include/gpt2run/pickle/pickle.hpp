// A reader of pickles that builds plain values only. It never imports and never calls: a pickle may name the few
// functions and classes that torch.save() writes for tensors and settings, and what they would make is described here.
// Every other name and every other opcode is refused. Nothing recurses, and memory is bounded by a limit on the number
// of opcodes.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run::pickle {

inline constexpr size_t kMaxOpcodes = size_t{1} << 22;  // of one pickle
inline constexpr size_t kMaxDepth = 1000;               // of lists and dictionaries in each other
inline constexpr size_t kMaxDimensions = 8;             // of a tensor

enum class Kind : uint8_t {
  none,
  boolean,
  integer,
  real,
  text,     // also bytes; in place, not checked for UTF-8
  number,   // an integer beyond 64 bits: its bytes, little-endian
  global,   // a name that may stand in a pickle
  list,     // also tuples and sets
  dict,     // also OrderedDict
  object,   // an instance of a class of settings: its attributes as a dict
  storage,  // index: in Pickle::storages
  tensor,   // index: in Pickle::tensors
};

const char* name_of(Kind kind);

// A value is a handle: it is copied freely, and valid as long as the Pickle and the bytes that it was read from.
struct Value {
  Kind kind = Kind::none;
  uint32_t size = 0;  // text, number: in bytes
  union {
    int64_t integer = 0;
    double real;
    const char* text;
    uint32_t index;
  };

  std::string_view view() const { return {text, size}; }  // of text and number
};

// Elements of one type in a part of the file that its key names.
struct Storage {
  std::string_view dtype;  // as safetensors names it
  int64_t element_bytes, count;
  std::string_view key;
};

// A tensor of a storage, unchecked: it may reach beyond it. All numbers are from 0.
struct PickledTensor {
  uint32_t storage;
  int64_t offset;                       // in elements, as the strides
  std::vector<int64_t> shape, strides;  // of the same length
};

struct Pickle {
  Value root;
  size_t bytes = 0;  // its length, with the last opcode
  std::vector<Storage> storages;
  std::vector<PickledTensor> tensors;
  std::vector<std::vector<Value>> containers;

  // The elements of a list, or the keys and values of a dict or object in turn; empty for other values.
  std::span<const Value> items(const Value& value) const;
  // The value of a key of a dict or object; nothing if it is not there. Of several the last, as in Python.
  std::optional<Value> find(const Value& dict, std::string_view key) const;
};

// Reads the pickle at the beginning of `bytes`, whose end it tells itself. where: the file, for messages. advice: what
// to do about a name or an opcode that is refused, which ends the message. Throws Error.
Pickle read_pickle(std::string_view bytes, const std::string& where, std::string_view advice = {});

}  // namespace gpt2run::pickle
