// Text from untrusted sources in messages: always a single line, and shortened.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace gpt2run {

namespace detail {

// The size in bytes of the well-formed UTF-8 character at the front, or 0 if there is none. code: its code point.
inline size_t utf8_character(std::string_view text, uint32_t& code) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  code = byte(0);
  if (code < 0x80) return 1;
  const size_t size = code >= 0xF0 ? 4 : code >= 0xE0 ? 3 : 2;
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < 0xC2 || code > 0xF4 || text.size() < size) return 0;
  code &= 0x7Fu >> size;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < kLeast[size] || code > 0x10FFFF || is_surrogate ? 0 : size;
}

// True for a character that moves a terminal's cursor, ends a line, or changes the direction of writing.
inline bool is_control(uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}

inline void append_escaped(std::string& line, std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\t' || c == '\r')
      line += c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r";
    else
      line.append("\\x").append({kHex[byte >> 4], kHex[byte & 15]});
  }
}

}  // namespace detail

// The text with control characters and invalid UTF-8 escaped (\n, \x1b), cut after `most` characters with "...".
inline std::string printable(std::string_view text, size_t most = std::string_view::npos) {
  std::string line;
  for (size_t count = 0; !text.empty(); ++count) {
    if (count == most) return line + "...";
    uint32_t code = 0;
    const size_t size = detail::utf8_character(text, code);
    if (size == 0 || detail::is_control(code))
      detail::append_escaped(line, text.substr(0, size ? size : 1));
    else
      line.append(text.substr(0, size));
    text.remove_prefix(size ? size : 1);
  }
  return line;
}

inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t size = detail::utf8_character(text, code);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

// The text in quotes, escaped and shortened, for messages that repeat what a user gave. It is not named quoted because
// argument-dependent lookup would find std::quoted.
inline std::string in_quotes(std::string_view text) {
  constexpr size_t kMost = 60;
  return '"' + printable(text, kMost) + '"';
}

}  // namespace gpt2run
