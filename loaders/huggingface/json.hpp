// The JSON of a model's folder: one object, of a size that such files have.
#pragma once
#include <span>
#include <string>

#include "gpt2run/json/json.hpp"

namespace gpt2run::huggingface {

inline constexpr size_t kMostJson = 100'000'000;  // bytes; the limit that safetensors sets to its header

// text: all of it is one JSON object. where: the file, for errors.
inline json::Document parse_object(const std::string& where, std::span<const char> text) {
  if (text.size() > kMostJson) fail(where, ": expected at most ", kMostJson, " bytes of JSON, found ", text.size());
  json::Document document = json::parse({text.data(), text.size()}, where);
  document.root().object();
  return document;
}

}  // namespace gpt2run::huggingface
