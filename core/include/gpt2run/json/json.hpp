// The one reader of JSON. It is strict, since files may come from anywhere: RFC 8259 and UTF-8, every key once in its
// object, no zero bytes, no number that a double cannot hold, and the limits below. Its time is linear in the text but
// for the ordering of keys.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "gpt2run/error.hpp"
#include "gpt2run/json/value.hpp"

namespace gpt2run::json {

inline constexpr size_t kMostLevels = 1000;             // of lists and objects in each other
inline constexpr size_t kMostValues = size_t{1} << 25;  // of a document, keys included
inline constexpr size_t kMostText = size_t{1} << 28;    // bytes of all its keys and texts

// The text is no JSON. Everything else that is refused is a plain Error.
struct Mistake : Error {
  Mistake(const std::string& where, std::string why, std::string stands)
      : Error(where + ": " + why), reason(std::move(why)), found(std::move(stands)) {}

  std::string reason;  // the message behind `where`
  std::string found;   // the first characters of what stands there; empty: the text's end, or a number out of range
};

// where: the file, for messages, which are those of Value as well. All of the text is one value.
Document parse(std::string_view text, const std::string& where);

// For texts whose faults are nobody's business: nothing if parse() would throw Error.
std::optional<Document> try_parse(std::string_view text);

// Puts up to `most` bytes of a text to `to` and returns their number, 0 at its end. May throw.
using Source = std::function<size_t(char* to, size_t most)>;

// Reads one list that is larger than memory: visit(element) of every element in order, which is gone afterwards. The
// limits are those of an element. unit: what an element is called in messages, which begin "FILE: UNIT 3: ".
void each_element(const Source& source, const std::string& where, const std::string& unit,
                  const std::function<void(const Value&)>& visit);

// A double as reports and manifests write it: with a point or an exponent, and enough digits to read back as it was;
// "null" if it is not finite.
std::string real_text(double value);

}  // namespace gpt2run::json
