// Wraps and aligns UTF-8 text in columns.
#include "gpt2compare/side_by_side.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

#include "common/evaluation/texts.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

constexpr size_t kLeastColumn = 24, kGap = 2, kAll = size_t{1} << 24;

size_t length_of(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// The number of bytes of the first `count` characters.
size_t bytes_of(std::string_view text, size_t count) {
  size_t at = 0;
  while (at < text.size() && (count > 0 || (text[at] & 0xC0) == 0x80)) count -= (text[at++] & 0xC0) != 0x80;
  return at;
}

// Wraps text into lines of at most `width` characters, at blanks where possible.
std::vector<std::string> wrapped_by_characters(std::string_view text, size_t width) {
  std::vector<std::string> lines;
  while (length_of(text) > width) {
    size_t cut = bytes_of(text, width);
    const size_t blank = text.substr(0, cut + 1).rfind(' ');
    const bool at_blank = blank != text.npos && blank > 0;
    if (at_blank) cut = blank;
    lines.emplace_back(text.substr(0, cut));
    text.remove_prefix(cut + at_blank);
  }
  lines.emplace_back(text);
  return lines;
}

// The text of the tokens. steps: the indices of those to put in brackets.
std::string marked(const std::vector<int32_t>& tokens, const std::set<int32_t>& steps, const Tokenizer* tokenizer) {
  std::string text;
  for (int32_t i = 0; i < std::ssize(tokens); ++i) {
    const std::string token = token_text(tokens[i], tokenizer);
    text += tokenizer || i == 0 ? "" : " ";
    text += steps.contains(i) ? "[" + token + "]" : token;
  }
  return printable(text, kAll);
}

std::string verdict(const std::string& ref, const std::string& test, const Continuation& continuation,
                    const Tokenizer* tokenizer) {
  if (!continuation.first_difference)
    return test + ": the same " + std::to_string(continuation.tokens.size()) + " tokens as " + ref;
  const FirstDifference& difference = *continuation.first_difference;
  const std::string ours = in_quotes(token_text(difference.ref_token, tokenizer)),
                    theirs = in_quotes(token_text(difference.test_token, tokenizer));
  char text[160];
  std::snprintf(text, sizeof text, " has them at %.4f and %.4f (logit margin %.2g); ", difference.probabilities[0][0],
                difference.probabilities[0][1], difference.margin);
  std::string line = test + ": new token " + std::to_string(difference.step + 1) + " is " + theirs + " where " + ref +
                     " has " + ours + ". Probabilities of " + ours + " and " + theirs + ": " + ref + text;
  std::snprintf(text, sizeof text, " at %.4f and %.4f", difference.probabilities[1][0], difference.probabilities[1][1]);
  return line + test + text;
}

std::string in_rows(const std::vector<std::vector<std::string>>& columns, size_t width) {
  size_t rows = 0;
  for (const auto& column : columns) rows = std::max(rows, column.size());
  std::string text;
  for (size_t r = 0; r < rows; ++r) {
    std::string line;
    size_t due = 0;
    for (const auto& column : columns) {
      const std::string cell = r < column.size() ? column[r] : "";
      line += std::string(due - std::min(due, length_of(line)), ' ') + cell;
      due += width + kGap;
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace

std::string side_by_side(const Prompt& prompt, std::span<const std::string> names,
                         std::span<const Continuation> continuations, const Tokenizer* tokenizer, int width) {
  const size_t count = names.size(), all = static_cast<size_t>(std::max(width, 20));
  const bool fits = all / count >= kLeastColumn + kGap;
  const size_t column = fits ? (all - kGap * (count - 1)) / count : all;
  std::vector<std::vector<std::string>> columns;
  for (size_t i = 0; i < count; ++i) {
    std::set<int32_t> steps;
    for (size_t other = i; other < (i == 0 ? count : i + 1); ++other)
      if (continuations[other].first_difference) steps.insert(continuations[other].first_difference->step);
    columns.push_back(wrapped_by_characters(marked(continuations[i].tokens, steps, tokenizer), column));
    const std::vector<std::string> head = wrapped_by_characters(names[i] + (i == 0 ? " (reference)" : ""), column);
    columns.back().insert(columns.back().begin(), head.begin(), head.end());
  }
  std::string text = "after ";
  text += prompt.text.empty() ? std::to_string(prompt.tokens.size()) + " tokens" : in_quotes(prompt.text);
  text += "\n\n";
  if (fits) text += in_rows(columns, column);
  for (size_t i = 0; !fits && i < count; ++i) text += in_rows({columns[i]}, column) + (i + 1 < count ? "\n" : "");
  text += "\n";
  for (size_t i = 1; i < count; ++i)
    text += printable(verdict(names[0], names[i], continuations[i], tokenizer), kAll) + "\n";
  return text;
}

}  // namespace gpt2run
