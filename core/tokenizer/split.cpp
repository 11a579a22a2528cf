// A scanner for GPT-2's pattern. Character classes come from a table for ASCII, and from a binary search for the rest.
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

// Decodes a character of several bytes. Surrogates and code points above U+10FFFF are not valid UTF-8 either, but need
// no check here: the table has them in the class of stray bytes.
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

  // White space. If something else follows, the last character is left to the next piece, which may begin with a space.
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
