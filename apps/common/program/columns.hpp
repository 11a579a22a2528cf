// Aligned columns of text for a terminal.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {

// Formats a number by printf's `format` for one double. NaN means that it is not known, and is shown as "-".
inline std::string shown_number(double value, const char* format) {
  if (std::isnan(value)) return "-";
  char text[400];  // the largest double has 309 digits
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Wraps text at blanks into lines of at most `width` bytes. A longer word gets a line of its own.
inline std::vector<std::string> wrapped(std::string_view text, size_t width) {
  std::vector<std::string> pieces;
  while (text.size() > width) {
    size_t end = text.rfind(' ', width);
    if (end == text.npos || end == 0) end = text.find(' ', width);
    if (end == text.npos) break;
    pieces.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  pieces.emplace_back(text);
  return pieces;
}

// Formats rows of cells as aligned columns, two blanks apart; the last column is not padded. Cells are escaped and
// shortened, so that each stays on one line whatever a file name or a plugin's text contains. Where a line would exceed
// `width` bytes, its last cell is wrapped and continues in the same column; a `width` of 0 never wraps.
inline std::string in_columns(std::vector<std::vector<std::string>> lines, const std::string& indent = "",
                              size_t width = 0) {
  constexpr size_t kMost = 400, kLeast = 20;
  for (auto& line : lines)
    for (std::string& cell : line) cell = printable(cell, kMost);
  std::vector<size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    std::string before = indent;
    for (size_t i = 0; i + 1 < line.size(); ++i) before += line[i] + std::string(widths[i] + 2 - line[i].size(), ' ');
    const size_t room = width == 0 ? line.back().size() : std::max(width, before.size() + kLeast) - before.size();
    for (const std::string& piece : wrapped(line.back(), room)) {
      text += before + piece + "\n";
      before.assign(before.size(), ' ');
    }
  }
  return text;
}

}  // namespace gpt2run
