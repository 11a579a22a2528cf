// The JSON reader of the whole project. It is strict, because files may come from anywhere: it accepts RFC 8259 in
// UTF-8, refuses repeated keys, zero bytes and numbers outside the range of a double, and enforces the limits below.
// Its time is linear in the size of the text, except that the keys of an object are sorted.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "gpt2run/error.hpp"
#include "gpt2run/json/value.hpp"

namespace gpt2run::json {

inline constexpr size_t kMaxDepth = 1000;              // nesting depth of lists and objects
inline constexpr size_t kMaxValues = size_t{1} << 25;  // of a document, keys included
inline constexpr size_t kMaxText = size_t{1} << 28;    // bytes of all its keys and strings

// Thrown for a text that is not valid JSON. Every other refusal is a plain Error.
struct SyntaxError : Error {
  SyntaxError(const std::string& where, std::string why, std::string text)
      : Error(where + ": " + why), reason(std::move(why)), found(std::move(text)) {}

  std::string reason;  // the message without `where`
  std::string
      found;  // the first characters at the fault; empty at the end of the text, and where `reason` says what is wrong
};

// Parses a text that is one JSON value. where: the file's name in messages, also in those of the Values. Throws
// SyntaxError for invalid JSON, Error for a document beyond the limits.
Document parse(std::string_view text, const std::string& where);

// As parse(), but returns nothing where parse() would throw Error.
std::optional<Document> try_parse(std::string_view text);

// Writes up to `most` bytes of a text to `to` and returns their number, 0 at its end. May throw.
using Source = std::function<size_t(char* to, size_t most)>;

// Reads a list that may be larger than memory: calls visit(element) for every element in order and then frees it. The
// limits hold for each element by itself. unit: what messages call an element; they begin with "FILE: UNIT 3: ".
void each_element(const Source& source, const std::string& where, const std::string& unit,
                  const std::function<void(const Value&)>& visit);

// A double as reports and manifests write it: with a point or an exponent, and with enough digits to read back the same
// value. "null" if it is not finite.
std::string real_text(double value);

}  // namespace gpt2run::json
