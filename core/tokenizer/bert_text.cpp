#include "bert_text.hpp"

#include <algorithm>

#include "characters.hpp"
#include "text_tables.hpp"

namespace gpt2run {
namespace {

bool is_chinese(uint32_t c) {
  constexpr uint32_t kRanges[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                                     {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [&](const auto& range) { return c >= range[0] && c <= range[1]; });
}

// Adds a code point in lower case.
void append_lower(uint32_t code, std::string& text) {
  if (code == 0x130) {
    text += "i\u0307";
    return;
  }
  if (code < 0x80) {
    text += static_cast<char>(code >= 'A' && code <= 'Z' ? code + 32 : code);
    return;
  }
  const auto runs = lower_runs();
  const auto after = std::upper_bound(runs.begin(), runs.end(), code,
                                      [](uint32_t wanted, const LowerRun& run) { return wanted < run.first; });
  if (after != runs.begin()) {
    const LowerRun& run = after[-1];
    if (code <= run.last && (code - run.first) % run.step == 0)
      code = static_cast<uint32_t>(static_cast<int64_t>(code) + run.distance);
  }
  append_utf8(code, text);
}

// Calls add(code) for what is left of a code point when it is decomposed and its marks are dropped.
template <class Add>
void without_accents(uint32_t code, const Add& add) {
  if (code < 0x80) return add(code);
  if (traits_of(code) & trait::kMark) return;
  constexpr uint32_t kSyllables = 0xAC00, kCount = 11172, kVowels = 21, kEnds = 28;
  if (code >= kSyllables && code < kSyllables + kCount) {
    const uint32_t at = code - kSyllables;
    add(0x1100 + at / (kVowels * kEnds));
    add(0x1161 + at % (kVowels * kEnds) / kEnds);
    if (at % kEnds) add(0x11A7 + at % kEnds);
    return;
  }
  constexpr uint64_t kMask = (1 << 21) - 1;
  const auto all = decompositions();
  const auto found = std::lower_bound(all.begin(), all.end(), uint64_t{code} << 42);
  if (found == all.end() || *found >> 42 != code) return add(code);
  without_accents(static_cast<uint32_t>(*found >> 21 & kMask), add);
  if (*found & kMask) add(static_cast<uint32_t>(*found & kMask));
}

}  // namespace

std::string BertText::normalized(std::string_view text) const {
  std::string result;
  result.reserve(text.size());
  const auto cased = [&](uint32_t code) { lower_case ? append_lower(code, result) : append_utf8(code, result); };
  for (size_t at = 0; at < text.size();) {
    auto [code, bytes] = character_at(text, at);
    at += bytes;
    const uint32_t traits = clean ? traits_of(code) : 0;
    if (traits & trait::kRemoved) continue;
    if (traits & trait::kBlank) code = ' ';
    const bool is_apart = chinese && is_chinese(code);
    if (is_apart) result += ' ';
    no_accents ? without_accents(code, cased) : cased(code);
    if (is_apart) result += ' ';
  }
  return result;
}

void BertText::each_word(std::string_view text, const std::function<void(std::string_view)>& word) {
  size_t begin = 0;
  for (size_t at = 0; at <= text.size();) {
    const auto [code, bytes] = at < text.size() ? character_at(text, at) : Character{' ', 1};
    const uint32_t traits = traits_of(code);
    const bool is_mark = (traits & trait::kPunctuation) != 0;
    if (is_mark || (traits & trait::kWhite)) {
      if (begin < at) word(text.substr(begin, at - begin));
      if (is_mark) word(text.substr(at, bytes));
      begin = at + bytes;
    }
    at += bytes;
  }
}

}  // namespace gpt2run
