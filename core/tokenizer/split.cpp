// GPT-2's pattern as a scanner: one character class at a time, a table for ASCII and a search for the rest.
#include "split.hpp"

#include <algorithm>
#include <array>

#include "unicode.hpp"

namespace gpt2run {
namespace {

struct Character {
  CharClass kind;
  uint8_t bytes;
};

CharClass class_of(uint32_t code_point) {
  const auto runs = unicode_runs();
  const auto after = std::upper_bound(runs.begin(), runs.end(), code_point * 4 + 3);
  return static_cast<CharClass>(after[-1] % 4);
}

const std::array<CharClass, 128> kAscii = [] {
  std::array<CharClass, 128> table;
  for (uint32_t c = 0; c < 128; ++c) table[c] = class_of(c);
  return table;
}();

// Surrogates and what lies above U+10FFFF are not well-formed either, but they are in the table as what stray bytes
// are.
Character multibyte(const uint8_t* s, size_t size) {
  constexpr Character kStray = {CharClass::other, 1};
  const uint32_t lead = s[0];
  const uint8_t bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC2 || lead > 0xF4 || bytes > size) return kStray;
  uint32_t code_point = lead & (0x7Fu >> bytes);
  for (uint8_t i = 1; i < bytes; ++i) {
    if ((s[i] & 0xC0) != 0x80) return kStray;
    code_point = code_point << 6 | (s[i] & 0x3Fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code_point < kLeast[bytes]) return kStray;
  return {class_of(code_point), bytes};
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), bytes_(reinterpret_cast<const uint8_t*>(text.data())) {}

  size_t first_piece() const {
    if (const size_t bytes = contraction()) return bytes;
    const bool blank = text_[0] == ' ' && text_.size() > 1;
    const Character first = at(blank ? 1 : 0);
    if (first.kind == CharClass::space) return spaces();
    return run(first.kind, (blank ? 1 : 0) + first.bytes);
  }

 private:
  Character at(size_t i) const {
    if (bytes_[i] < 128) return {kAscii[bytes_[i]], 1};
    return multibyte(bytes_ + i, text_.size() - i);
  }

  size_t contraction() const {
    if (text_[0] != '\'' || text_.size() < 2) return 0;
    const std::string_view after = text_.substr(1, 2);
    if (std::string_view("stmd").find(after[0]) != std::string_view::npos) return 2;
    return after == "re" || after == "ve" || after == "ll" ? 3 : 0;
  }

  size_t run(CharClass kind, size_t end) const {
    while (end < text_.size()) {
      const Character next = at(end);
      if (next.kind != kind) break;
      end += next.bytes;
    }
    return end;
  }

  // All white space, but for the last character where something else follows: a blank there belongs to the next piece.
  size_t spaces() const {
    size_t last = 0, end = at(0).bytes;
    while (end < text_.size()) {
      const Character next = at(end);
      if (next.kind != CharClass::space) return last == 0 ? end : last;
      last = end;
      end += next.bytes;
    }
    return end;
  }

  std::string_view text_;
  const uint8_t* bytes_;
};

}  // namespace

size_t first_piece(std::string_view text) { return Scanner(text).first_piece(); }

}  // namespace gpt2run
