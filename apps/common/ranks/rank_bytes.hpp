// Serialisation of values and texts for messages between ranks. Values are bytes as they lie in memory, so all ranks
// must run the same build on the same architecture. A text is preceded by its length. The take functions remove what
// they return from the front of `bytes`, and throw Error when there are too few bytes.
#pragma once
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "gpt2run/error.hpp"

namespace gpt2run {

template <class Value>
void append_value(std::string& bytes, const Value& value) {
  static_assert(std::is_trivially_copyable_v<Value>);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline void append_text(std::string& bytes, std::string_view text) {
  append_value(bytes, text.size());
  bytes += text;
}

inline std::string_view read_bytes(std::string_view& bytes, size_t count) {
  if (bytes.size() < count)
    fail("a message of another rank ends too soon: expected ", count, " bytes more, found ", bytes.size());
  const std::string_view taken = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return taken;
}

template <class Value>
Value read_value(std::string_view& bytes) {
  static_assert(std::is_trivially_copyable_v<Value>);
  Value value;
  std::memcpy(&value, read_bytes(bytes, sizeof value).data(), sizeof value);
  return value;
}

// The text points into the memory of `bytes`.
inline std::string_view read_string(std::string_view& bytes) { return read_bytes(bytes, read_value<size_t>(bytes)); }

}  // namespace gpt2run
