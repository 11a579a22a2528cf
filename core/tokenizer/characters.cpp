#include "characters.hpp"

#include <algorithm>
#include <array>

#include "text_tables.hpp"

namespace gpt2run {
namespace {

constexpr Character kStray = {0xFFFD, 1};

uint32_t look_up(uint32_t code) {
  const auto runs = trait_runs();
  const auto after = std::upper_bound(runs.begin(), runs.end(), code * 64 + 63);
  return after[-1] % 64;
}

}  // namespace

Character character_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[at + i])); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC2 || lead > 0xF4 || size > text.size() - at) return kStray;
  uint32_t code = lead & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return kStray;
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xD800 && code < 0xE000;
  return code < kLeast[size] || code > 0x10FFFF || is_surrogate ? kStray : Character{code, size};
}

Character character_before(std::string_view text, size_t end) {
  for (size_t size = 1; size <= std::min<size_t>(end, 4); ++size) {
    if ((static_cast<uint8_t>(text[end - size]) & 0xC0) == 0x80) continue;
    const Character found = character_at(text.substr(0, end), end - size);
    return found.bytes == size ? found : kStray;
  }
  return kStray;
}

uint32_t traits_of(uint32_t code) {
  static const std::array<uint8_t, 128> ascii = [] {
    std::array<uint8_t, 128> table;
    for (uint32_t c = 0; c < 128; ++c) table[c] = static_cast<uint8_t>(look_up(c));
    return table;
  }();
  return code < 128 ? ascii[code] : look_up(code);
}

void append_utf8(uint32_t code, std::string& text) {
  if (code < 0x80) return text.push_back(static_cast<char>(code));
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  text.push_back(static_cast<char>((0xF0 << (3 - more) & 0xFF) | code >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) text.push_back(static_cast<char>(0x80 | (code >> (6 * i) & 0x3F)));
}

}  // namespace gpt2run
