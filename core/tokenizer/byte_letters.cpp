#include "byte_letters.hpp"

#include <cstdint>
#include <unordered_map>

namespace gpt2run {
namespace {

std::array<std::string, 256> make_letters() {
  std::array<std::string, 256> letters;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    const uint32_t c = printable ? byte : next++;
    if (c >= 128) letters[byte].push_back(static_cast<char>(0xC0 | c >> 6));
    letters[byte].push_back(static_cast<char>(c < 128 ? c : 0x80 | (c & 0x3F)));
  }
  return letters;
}

std::unordered_map<std::string_view, char> make_alphabet() {
  std::unordered_map<std::string_view, char> alphabet;
  for (size_t byte = 0; byte < 256; ++byte) alphabet.emplace(byte_letters()[byte], static_cast<char>(byte));
  return alphabet;
}

}  // namespace

const std::array<std::string, 256>& byte_letters() {
  static const std::array<std::string, 256> letters = make_letters();
  return letters;
}

std::string bytes_of_letters(std::string_view token) {
  static const std::unordered_map<std::string_view, char> alphabet = make_alphabet();
  std::string bytes;
  for (size_t i = 0; i < token.size();) {
    const size_t length = static_cast<uint8_t>(token[i]) < 0x80 ? 1 : 2;
    const auto letter = alphabet.find(token.substr(i, length));
    if (letter == alphabet.end()) return std::string(token);
    bytes += letter->second;
    i += length;
  }
  return bytes;
}

std::string letters_of_bytes(std::string_view bytes) {
  std::string token;
  for (const char byte : bytes) token += byte_letters()[static_cast<uint8_t>(byte)];
  return token;
}

}  // namespace gpt2run
