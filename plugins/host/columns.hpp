// Columns of text for a terminal.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "gpt2run/quoted.hpp"

namespace gpt2run {

// The last column is not padded. A cell is one line, whatever a file's name or a plugin's text hold.
inline std::string in_columns(std::vector<std::vector<std::string>> lines, const std::string& indent = "") {
  constexpr size_t kMost = 400;
  for (auto& line : lines)
    for (std::string& cell : line) cell = printable(cell, kMost);
  std::vector<size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    text += indent;
    for (size_t i = 0; i + 1 < line.size(); ++i) text += line[i] + std::string(widths[i] + 2 - line[i].size(), ' ');
    text += line.back() + "\n";
  }
  return text;
}

}  // namespace gpt2run
