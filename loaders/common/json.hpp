// The parsers for JSON files of a model folder, with a limit on their size.
#pragma once
#include <span>
#include <string>

#include "gpt2run/json/json.hpp"

namespace gpt2run::loaders {

inline constexpr size_t kMostJson = 100'000'000;  // bytes; safetensors has this limit for its header

// Parses a text that is a JSON object. where: the file, for messages. Throws Error, which names what people have in
// place of such a file: a pointer of Git LFS, a web page.
json::Document parse_object(const std::string& where, std::span<const char> text);

// As parse_object(), for settings that Python may have written: its json module writes NaN, Infinity and -Infinity,
// which JSON does not have. Such a value reads as the text of that name, so that it is refused where a number is needed
// and harmless everywhere else.
json::Document parse_settings(const std::string& where, std::span<const char> text);

}  // namespace gpt2run::loaders
