#include "lens_table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "columns.hpp"

namespace gpt2run {
namespace {

constexpr int kTokenColumns = 10;
constexpr int kGap = 2;

// A number by printf's rules; "?" for NaN.
std::string number(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return std::isnan(value) ? "?" : text;
}

// A token's text in few columns. One of blanks alone is in quotes, since it would not be seen.
std::string token_cell(const TokenTexts& texts, int32_t id) {
  const std::string text = texts.shown(id);
  return cut_to(text.find_first_not_of(' ') == text.npos ? in_quotes(text) : text, kTokenColumns);
}

std::string likely_cell(const TokenTexts& texts, const RowToken& token, int columns) {
  return filled(token_cell(texts, token.id), columns) + number(" %.2f", std::exp(token.logprob));
}

// The cells of one position, from the top: its number, its token, and the most likely token after each layer.
std::vector<std::string> position_cells(int32_t number, const LensPosition& position, const TokenTexts& texts) {
  int columns = 0;
  for (const RowReading& reading : position.layers)
    if (!reading.top.empty()) columns = std::max(columns, columns_of(token_cell(texts, reading.top[0].id)));
  std::vector<std::string> cells = {std::to_string(number), token_cell(texts, position.id)};
  for (const RowReading& reading : position.layers) {
    constexpr int32_t kMostShown = 999;
    std::string cell = reading.top.empty() ? "?" : likely_cell(texts, reading.top[0], columns);
    if (reading.rank > kMostShown)
      cell.append(" (>").append(std::to_string(kMostShown)).append(")");
    else if (reading.rank > 1)
      cell.append(" (").append(std::to_string(reading.rank)).append(")");
    cells.push_back(std::move(cell));
  }
  return cells;
}

using Columns = std::vector<std::vector<std::string>>;

int width_of(const std::vector<std::string>& cells) {
  int width = 0;
  for (const std::string& cell : cells) width = std::max(width, columns_of(cell));
  return width;
}

// The lines of columns that stand side by side. All have the same number of cells.
std::string lines_of(const Columns& columns) {
  std::string lines;
  for (size_t row = 0; row < columns[0].size(); ++row) {
    std::string line;
    for (const auto& cells : columns) line += filled(cells[row], width_of(cells) + kGap);
    lines += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return lines;
}

std::string across(const LensRecord& record, const std::vector<std::string>& labels, const TokenTexts& texts,
                   int width) {
  std::string blocks;
  Columns columns = {labels};
  int used = width_of(labels);
  for (const auto& [number, position] : record.positions) {
    std::vector<std::string> cells = position_cells(number, position, texts);
    const int needed = kGap + width_of(cells);
    if (columns.size() > 1 && used + needed > width) {
      blocks += lines_of(columns) + "\n";
      columns.resize(1);
      used = width_of(labels);
    }
    used += needed;
    columns.push_back(std::move(cells));
  }
  return blocks + lines_of(columns);
}

// One position: the final token's probability and rank, and the top tokens, as many as fit. A line above says if there
// are more.
std::string detail_of(const std::vector<std::string>& names, const LensPosition& position, const TokenTexts& texts,
                      int width) {
  std::vector<std::string> probabilities = {"final"}, ranks = {"rank"};
  size_t most = 0;
  for (const RowReading& reading : position.layers) {
    probabilities.push_back(number("%.4f", std::exp(reading.logprob)));
    ranks.push_back(reading.rank > 0 ? std::to_string(reading.rank) : "?");
    most = std::max(most, reading.top.size());
  }
  Columns columns = {names, probabilities, ranks};
  int used = width_of(names) + width_of(probabilities) + width_of(ranks) + 2 * kGap;
  size_t shown = 0;
  for (size_t place = 0; place < most; ++place) {
    std::vector<std::string> cells = {place == 0 ? "most likely" : "next"};
    for (const RowReading& reading : position.layers)
      cells.push_back(place < reading.top.size() ? likely_cell(texts, reading.top[place], kTokenColumns) : "?");
    used += kGap + width_of(cells);
    if (place > 0 && used > width) continue;
    columns.push_back(std::move(cells));
    ++shown;
  }
  if (shown == most) return lines_of(columns);
  std::string note = "(";
  note.append(std::to_string(shown))
      .append(" of the top ")
      .append(std::to_string(most))
      .append(" tokens; all of them take width=");
  return note.append(std::to_string(used)).append(")\n").append(lines_of(columns));
}

}  // namespace

std::string lens_table(uint64_t sequence, const LensRecord& record, const TokenTexts& texts, int width) {
  std::string table = sequence > 0 ? "\nsequence " : "sequence ";
  table += std::to_string(sequence);
  if (record.positions.empty()) return table + ": no position\n";
  const auto& [number, last] = *record.positions.rbegin();
  std::vector<std::string> labels = {"position", "token"}, names = {"after"};
  for (size_t layers = 0; layers < last.layers.size(); ++layers) {
    labels.push_back(name_after(layers));
    names.push_back(labels.back());
  }
  table += ": the most likely next token after each layer\n";
  if (record.positions.size() > 1) {
    table += "(in brackets: the rank of the final token, where another one is more likely)\n\n";
    table += across(record, labels, texts, width);
  }
  table += "\nposition " + std::to_string(number) + ", after " + in_quotes(texts.shown(last.id));
  if (last.final >= 0) table += "; the final token is " + in_quotes(texts.shown(last.final));
  return table + "\n" + detail_of(names, last, texts, width);
}

}  // namespace gpt2run
