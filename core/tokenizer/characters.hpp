// Characters of a UTF-8 text one by one. A byte that does not begin a well-formed one counts as U+FFFD. Any thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpt2run {

struct Character {
  uint32_t code;
  size_t bytes;
};

// The character that begins at a byte of the text, which must have one there.
Character character_at(std::string_view text, size_t at);

// The character that ends before a byte of the text, which must not be its first.
Character character_before(std::string_view text, size_t end);

// The bits of text_tables.hpp.
uint32_t traits_of(uint32_t code);

void append_utf8(uint32_t code, std::string& text);

}  // namespace gpt2run
