// How many columns of a terminal a text takes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {

// Columns of one character: 0 for marks that join the one before, 2 for the wide ones of East Asia and for pictures.
constexpr int columns_of(uint32_t code) {
  struct Block {
    uint32_t first, last;
    int columns;
  };
  constexpr Block kBlocks[] = {{0x300, 0x36F, 0},    {0x200B, 0x200F, 0}, {0x20D0, 0x20FF, 0}, {0xFE00, 0xFE0F, 0},
                               {0x1100, 0x115F, 2},  {0x2E80, 0xA4CF, 2}, {0xAC00, 0xD7A3, 2}, {0xF900, 0xFAFF, 2},
                               {0xFE30, 0xFE6F, 2},  {0xFF00, 0xFF60, 2}, {0xFFE0, 0xFFE6, 2}, {0x1F300, 0x1FAFF, 2},
                               {0x20000, 0x3FFFD, 2}};
  for (const Block& block : kBlocks)
    if (code >= block.first && code <= block.last) return block.columns;
  return 1;
}

// text: UTF-8 without control characters, as printable() makes it.
inline int columns_of(std::string_view text) {
  int columns = 0;
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t size = detail::utf8_character(text, code);
    columns += columns_of(code);
    text.remove_prefix(size ? size : 1);
  }
  return columns;
}

// The text as it is if it takes at most `most` columns, or else its beginning and "..". most: 2 or more.
inline std::string cut_to(std::string_view text, int most) {
  if (columns_of(text) <= most) return std::string(text);
  std::string begin;
  for (int columns = 0;;) {
    uint32_t code = 0;
    const size_t size = detail::utf8_character(text, code);
    columns += columns_of(code);
    if (columns > most - 2) return begin + "..";
    begin += text.substr(0, size ? size : 1);
    text.remove_prefix(size ? size : 1);
  }
}

// The text with blanks behind it, up to `columns`.
inline std::string filled(std::string text, int columns) {
  const int missing = columns - columns_of(text);
  return missing > 0 ? text.append(static_cast<size_t>(missing), ' ') : text;
}

}  // namespace gpt2run
