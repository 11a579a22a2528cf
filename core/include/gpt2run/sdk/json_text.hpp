// Pieces of JSON to write: strings that are always valid, numbers that read back as they were. For reading JSON a
// plugin brings a library of its own.
#pragma once
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {

// Appends the shortest decimal that reads back as the same value; null for NaN and infinity, which JSON cannot say.
template <class Real>
void append_number(std::string& line, Real value) {
  if (!std::isfinite(value)) {
    line += "null";
    return;
  }
  char digits[32];  // the longest shortest double has 24 characters
  line.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// text as a JSON string; each byte that is not UTF-8 becomes U+FFFD.
inline std::string json_quoted(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string line = "\"";
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t size = detail::utf8_character(text, code);
    if (size == 0)
      line += "\uFFFD";
    else if (code == '"' || code == '\\')
      line.append({'\\', static_cast<char>(code)});
    else if (code == '\n')
      line += "\\n";
    else if (code < 0x20)
      line.append("\\u00").append({kHex[code >> 4], kHex[code & 15]});
    else
      line.append(text.substr(0, size));
    text.remove_prefix(size ? size : 1);
  }
  return line + '"';
}

// Appends `"key": ` to an object that is being written; keys are plain words.
inline void append_key(std::string& json, std::string_view key) {
  json += json.back() == '{' ? "\"" : ", \"";
  json.append(key).append("\": ");
}
inline void append_field(std::string& json, std::string_view key, double value) {
  append_key(json, key);
  append_number(json, value);
}
inline void append_field(std::string& json, std::string_view key, std::string_view value) {
  append_key(json, key);
  json += json_quoted(value);
}

}  // namespace gpt2run
