// Reads what Python writes beyond JSON.
#include "json.hpp"

#include <algorithm>
#include <string_view>

#include "foreign.hpp"

namespace gpt2run::loaders {
namespace {

// The text with quotes around NaN, Infinity and -Infinity, wherever they stand outside of strings.
std::string with_quoted_numbers(std::string_view text) {
  std::string quoted;
  bool in_string = false;
  for (size_t at = 0; at < text.size();) {
    size_t length = 1;
    if (in_string) {
      if (text[at] == '\\') length = std::min<size_t>(2, text.size() - at);
      in_string = text[at] != '"';
    } else if (text[at] == '"') {
      in_string = true;
    } else {
      for (const std::string_view name : {"NaN", "Infinity", "-Infinity"})
        if (text.substr(at).starts_with(name)) length = name.size();
    }
    const std::string_view part = text.substr(at, length);
    const bool is_number = !in_string && length > 2;
    quoted.append(is_number ? "\"" : "").append(part).append(is_number ? "\"" : "");
    at += length;
  }
  return quoted;
}

}  // namespace

json::Document parse_object(const std::string& where, std::span<const char> text) {
  if (text.size() > kMostJson) fail(where, ": expected at most ", kMostJson, " bytes of JSON, found ", text.size());
  try {
    json::Document document = json::parse({text.data(), text.size()}, where);
    document.root().object();
    return document;
  } catch (const json::SyntaxError&) {
    const std::string format = foreign_format(text);
    if (format.empty()) throw;
    fail(where, ": expected JSON, found ", format);
  }
}

json::Document parse_settings(const std::string& where, std::span<const char> text) {
  try {
    return parse_object(where, text);
  } catch (const json::SyntaxError&) {
    const std::string quoted = with_quoted_numbers({text.data(), text.size()});
    if (quoted.size() == text.size()) throw;
    const auto document = json::try_parse(quoted);
    if (!document) throw;  // the places that this error names are those of the file
    return parse_object(where, quoted);
  }
}

}  // namespace gpt2run::loaders
