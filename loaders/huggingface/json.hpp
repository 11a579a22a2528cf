// JSON from files that nobody checked: bounded depth, no key twice, every surprise an Error with the file's name.
// Included by .cpp files only.
#pragma once
#include <nlohmann/json.hpp>
#include <span>
#include <string>

namespace gpt2run::huggingface {

using Json = nlohmann::json;

inline constexpr size_t kMostJson = 100'000'000;  // bytes; the limit that safetensors sets to its header

// text: all of it is one JSON object. where: the file, for errors.
Json parse_object(const std::string& where, std::span<const char> text);

// A JSON value in a line, cut after a glance.
std::string shown(const Json& value);

}  // namespace gpt2run::huggingface
