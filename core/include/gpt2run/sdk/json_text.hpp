// Writing JSON: strings that are always valid, numbers that read back as the same value, and a writer for documents. To
// read JSON, use gpt2run/json/json.hpp and link its library, gpt2run::json.
#pragma once
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {

// Appends the shortest decimal that reads back as the same value, or null for NaN and infinity, which JSON does not
// have.
template <class Real>
void append_number(std::string& line, Real value) {
  if (!std::isfinite(value)) {
    line += "null";
    return;
  }
  char digits[32];  // the longest shortest double has 24 characters
  line.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// How the characters of a string are written. Existing files of results keep the form that they have always had.
//   line: \n is the only control character with a short escape, the others are written as \u001b. Each invalid byte
//     becomes U+FFFD.
//   document: \b, \t, \f and \r have short escapes too. A truncated or malformed UTF-8 character becomes one U+FFFD.
//   ascii: as document, and every character from U+007F on is written as \u00e4.
enum class JsonForm : uint8_t { line, document, ascii };

namespace detail {

// The number of bytes at the front that one U+FFFD replaces: the longest prefix that could begin a UTF-8 character, or
// one byte. text: does not begin with a valid character.
inline size_t broken_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0xC2 || first > 0xF4) return 1;
  const size_t whole = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  const unsigned char least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  size_t size = 1;
  while (size < whole && size < text.size()) {
    const bool is_second = size == 1;
    if (byte(size) < (is_second ? least : 0x80) || byte(size) > (is_second ? most : 0xBF)) break;
    ++size;
  }
  return size;
}

inline void append_hex_escape(std::string& line, uint32_t unit) {
  constexpr char kHex[] = "0123456789abcdef";
  line.append("\\u").append({kHex[unit >> 12 & 15], kHex[unit >> 8 & 15], kHex[unit >> 4 & 15], kHex[unit & 15]});
}

// A character outside the basic multilingual plane is written as a surrogate pair.
inline void append_unicode_escape(std::string& line, uint32_t code) {
  if (code < 0x10000) return append_hex_escape(line, code);
  append_hex_escape(line, 0xD7C0 + (code >> 10));
  append_hex_escape(line, 0xDC00 + (code & 0x3FF));
}

// The letter of the short escape, or 0 for a character that has none.
inline char escape_letter(uint32_t code, JsonForm form) {
  constexpr std::string_view kCodes = "\"\\\n\b\t\f\r", kLetters = "\"\\nbtfr";
  const size_t named = form == JsonForm::line ? 3 : kCodes.size();
  const size_t found = code < 0x80 ? kCodes.substr(0, named).find(static_cast<char>(code)) : kCodes.npos;
  return found == kCodes.npos ? '\0' : kLetters[found];
}

}  // namespace detail

// The text as a JSON string.
inline std::string json_quoted(std::string_view text, JsonForm form = JsonForm::line) {
  std::string line = "\"";
  while (!text.empty()) {
    uint32_t code = 0;
    size_t size = detail::utf8_character(text, code);
    std::string_view bytes = text.substr(0, size);
    if (size == 0) {
      size = form == JsonForm::line ? 1 : detail::broken_character(text);
      code = 0xFFFD, bytes = "\uFFFD";
    }
    if (code >= 0x20 && code != '"' && code != '\\' && (code < 0x7F || form != JsonForm::ascii))
      line.append(bytes);
    else if (const char letter = detail::escape_letter(code, form))
      line.append({'\\', letter});
    else
      detail::append_unicode_escape(line, code);
    text.remove_prefix(size);
  }
  return line + '"';
}

// Appends `"key": ` to an object that is being written. The key is not escaped.
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

// Writes a document value by value, and adds the commas, line breaks and indentation. The calls must form valid JSON:
// in an object each value follows its key, and every begin has its end.
class JsonWriter {
 public:
  // indent: spaces per level; below 0 the document is one line without any whitespace.
  explicit JsonWriter(int indent, JsonForm form = JsonForm::document) : indent_(indent), form_(form) {}

  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_list() { begin('['); }
  void end_list() { end(']'); }

  void key(std::string_view name) {
    separate();
    json_.append(json_quoted(name, form_)).append(indent_ < 0 ? ":" : ": ");
    is_behind_key_ = true;
  }

  void value(std::nullptr_t) { raw("null"); }
  void value(std::integral auto number) {
    if constexpr (std::same_as<decltype(number), bool>)
      raw(number ? "true" : "false");
    else
      raw(std::to_string(number));
  }
  void value(std::string_view text) { raw(json_quoted(text, form_)); }
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(const char* text) { value(std::string_view(text)); }

  // Writes a value that is JSON already, such as a number.
  void raw(std::string_view json) {
    separate();
    json_ += json;
  }

  template <class Scalar>
  void field(std::string_view name, const Scalar& scalar) {
    key(name);
    value(scalar);
  }
  void raw_field(std::string_view name, std::string_view json) {
    key(name);
    raw(json);
  }

  // The document, once everything that was begun has been ended.
  const std::string& json() const { return json_; }

 private:
  void begin(char bracket) {
    separate();
    json_ += bracket;
    has_values_.push_back(false);
  }

  void end(char bracket) {
    const bool was_empty = !has_values_.back();
    has_values_.pop_back();
    if (!was_empty) break_line();
    json_ += bracket;
  }

  // Called before a key, and before a value of a list.
  void separate() {
    if (is_behind_key_ || has_values_.empty()) {
      is_behind_key_ = false;
      return;
    }
    if (has_values_.back()) json_ += ',';
    has_values_.back() = true;
    break_line();
  }

  void break_line() {
    if (indent_ >= 0) json_.append("\n").append(has_values_.size() * static_cast<size_t>(indent_), ' ');
  }

  int indent_;
  JsonForm form_;
  bool is_behind_key_ = false;
  std::vector<bool> has_values_;  // for each list or object that has not ended
  std::string json_;
};

}  // namespace gpt2run
