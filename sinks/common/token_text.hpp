// The text of a token as JSON.
#pragma once
#include <string>
#include <string_view>

#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {

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
