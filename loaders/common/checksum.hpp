// Cyclic redundancy checks of 32 bits, as file formats keep them beside their data. Any thread.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

namespace gpt2run::loaders {

// A sum whose polynomial is given with its bits reversed. Eight bytes are read at a time, with a table for each.
template <uint32_t polynomial>
uint32_t checksum(std::span<const char> bytes) {
  static_assert(std::endian::native == std::endian::little, "words are taken from the bytes as they lie");
  using Table = std::array<uint32_t, 256>;
  static const std::array<Table, 8> tables = [] {
    std::array<Table, 8> made;
    for (uint32_t i = 0; i < 256; ++i) {
      made[0][i] = i;
      for (int bit = 0; bit < 8; ++bit) made[0][i] = made[0][i] >> 1 ^ (made[0][i] & 1 ? polynomial : 0u);
    }
    for (size_t t = 1; t < made.size(); ++t)
      for (uint32_t i = 0; i < 256; ++i) made[t][i] = made[t - 1][i] >> 8 ^ made[0][made[t - 1][i] & 0xff];
    return made;
  }();
  uint32_t sum = ~0u;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    uint32_t words[2];
    std::memcpy(words, bytes.data(), sizeof words);
    words[0] ^= sum;
    sum = 0;
    for (size_t i = 0; i < 8; ++i) sum ^= tables[7 - i][words[i / 4] >> (8 * (i % 4)) & 0xff];
  }
  for (const char byte : bytes) sum = sum >> 8 ^ tables[0][(sum ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~sum;
}

// That of zip archives, and that of LevelDB and TensorFlow.
inline uint32_t crc32(std::span<const char> bytes) { return checksum<0xedb88320u>(bytes); }
inline uint32_t crc32c(std::span<const char> bytes) { return checksum<0x82f63b78u>(bytes); }

}  // namespace gpt2run::loaders
