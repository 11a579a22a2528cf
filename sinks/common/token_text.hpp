// The text of a token, for a person and as JSON.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {

// A line that names a token: its text with control characters and invalid UTF-8 escaped, or its id, as "#7", if it has
// none.
inline std::string token_name(int32_t id, std::string_view bytes) {
  return bytes.empty() ? std::string("#").append(std::to_string(id)) : printable(bytes);
}

// Appends the members of an object that tell a token's text: `text`, and for bytes that are no UTF-8, which `text` has
// as U+FFFD, a list `bytes` of all of them.
inline void append_token_text(std::string& line, std::string_view bytes) {
  append_field(line, "text", bytes);
  if (is_utf8(bytes)) return;
  line += ", \"bytes\": [";
  for (size_t i = 0; i < bytes.size(); ++i)
    line.append(i > 0 ? ", " : "").append(std::to_string(static_cast<unsigned char>(bytes[i])));
  line += ']';
}

}  // namespace gpt2run
