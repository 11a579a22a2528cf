// De-quantises blocks. d is a block's scale and m its offset, both FP16; q are integers of 4, 5, 6 or 8 bits. The types
// named _K have 256 elements in a block, in parts with integer scales of their own.
#include "blocks.hpp"

#include <cstring>

#include "gpt2run/sdk/float16.hpp"

namespace gpt2run::gguf {
namespace {

constexpr int kSmall = 32, kHalf = kSmall / 2;  // elements of a block of the older types

float half_at(const uint8_t* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return f32_from_f16(bits);
}

// d, 32 signed bytes.
void q8_0(const uint8_t* block, float* to) {
  const float d = half_at(block);
  for (int i = 0; i < kSmall; ++i) to[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * d;
}

// d, 16 bytes: the low four bits are the first half of the block, the high ones the second.
void q4_0(const uint8_t* block, float* to) {
  const float d = half_at(block);
  for (int i = 0; i < kHalf; ++i) {
    to[i] = static_cast<float>((block[2 + i] & 15) - 8) * d;
    to[i + kHalf] = static_cast<float>((block[2 + i] >> 4) - 8) * d;
  }
}

// d, m, 16 bytes as in q4_0.
void q4_1(const uint8_t* block, float* to) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int i = 0; i < kHalf; ++i) {
    to[i] = static_cast<float>(block[4 + i] & 15) * d + m;
    to[i + kHalf] = static_cast<float>(block[4 + i] >> 4) * d + m;
  }
}

// The integer of element i of 32: its low four bits as in q4_0, its fifth bit is bit i of `high`.
int five_bits(const uint8_t* low, uint32_t high, int i) {
  const int four = i < kHalf ? low[i] & 15 : low[i - kHalf] >> 4;
  return four | static_cast<int>(high >> i & 1) << 4;
}

// d, 4 bytes of fifth bits, 16 bytes.
void q5_0(const uint8_t* block, float* to) {
  const float d = half_at(block);
  uint32_t high;
  std::memcpy(&high, block + 2, sizeof high);
  for (int i = 0; i < kSmall; ++i) to[i] = static_cast<float>(five_bits(block + 6, high, i) - 16) * d;
}

// d, m, 4 bytes of fifth bits, 16 bytes.
void q5_1(const uint8_t* block, float* to) {
  const float d = half_at(block), m = half_at(block + 2);
  uint32_t high;
  std::memcpy(&high, block + 4, sizeof high);
  for (int i = 0; i < kSmall; ++i) to[i] = static_cast<float>(five_bits(block + 8, high, i)) * d + m;
}

constexpr int kLarge = 256, kParts = 8, kPart = kLarge / kParts;

// The scale and the offset of part p of q4_k and q5_k, six bits each, packed into 12 bytes.
struct PartScale {
  int scale, offset;
};
PartScale part_scale(const uint8_t* packed, int p) {
  if (p < 4) return {packed[p] & 63, packed[p + 4] & 63};
  return {(packed[p + 4] & 15) | packed[p - 4] >> 6 << 4, packed[p + 4] >> 4 | packed[p] >> 6 << 4};
}

// The four low bits of element i of part p: two parts share 32 bytes.
int four_bits(const uint8_t* low, int p, int i) {
  const int pair = low[p / 2 * kPart + i];
  return p % 2 ? pair >> 4 : pair & 15;
}

// d, m, 12 bytes of scales, 128 bytes.
void q4_k(const uint8_t* block, float* to) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int p = 0; p < kParts; ++p) {
    const auto [scale, offset] = part_scale(block + 4, p);
    const float part_d = d * static_cast<float>(scale), part_m = m * static_cast<float>(offset);
    for (int i = 0; i < kPart; ++i) *to++ = part_d * static_cast<float>(four_bits(block + 16, p, i)) - part_m;
  }
}

// d, m, 12 bytes of scales, 32 bytes of fifth bits (bit p of byte i is that of element i of part p), 128 bytes.
void q5_k(const uint8_t* block, float* to) {
  const float d = half_at(block), m = half_at(block + 2);
  const uint8_t* high = block + 16;
  for (int p = 0; p < kParts; ++p) {
    const auto [scale, offset] = part_scale(block + 4, p);
    const float part_d = d * static_cast<float>(scale), part_m = m * static_cast<float>(offset);
    for (int i = 0; i < kPart; ++i) {
      const int q = four_bits(block + 48, p, i) | (high[i] >> p & 1) << 4;
      *to++ = part_d * static_cast<float>(q) - part_m;
    }
  }
}

// 128 bytes of low four bits, 64 of high two bits, 16 signed scales, d. Each half of the block is four runs of 32: runs
// 0 and 2 share the first bytes of low bits, 1 and 3 the next, and all share the bytes of high bits.
void q6_k(const uint8_t* block, float* to) {
  constexpr int kRun = 32;
  const float d = half_at(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t *low = block + half * 64, *high = block + 128 + half * 32, *scales = block + 192 + half * 8;
    for (int run = 0; run < 4; ++run) {
      for (int i = 0; i < kRun; ++i) {
        const int pair = low[run % 2 * kRun + i];
        const int q = (run < 2 ? pair & 15 : pair >> 4) | (high[i] >> 2 * run & 3) << 4;
        const auto scale = static_cast<float>(static_cast<int8_t>(scales[2 * run + i / 16]));
        *to++ = d * scale * static_cast<float>(q - 32);
      }
    }
  }
}

constexpr BlockType kBlockTypes[] = {
    {TensorType::f32, 1, 4, nullptr, Type::f32},   {TensorType::f16, 1, 2, nullptr, Type::f16},
    {TensorType::bf16, 1, 2, nullptr, Type::bf16}, {TensorType::q8_0, kSmall, 34, q8_0},
    {TensorType::q4_0, kSmall, 18, q4_0},          {TensorType::q4_1, kSmall, 20, q4_1},
    {TensorType::q5_0, kSmall, 22, q5_0},          {TensorType::q5_1, kSmall, 24, q5_1},
    {TensorType::q4_k, kLarge, 144, q4_k},         {TensorType::q5_k, kLarge, 176, q5_k},
    {TensorType::q6_k, kLarge, 210, q6_k}};

}  // namespace

const BlockType* find_block_type(uint32_t number) {
  for (const BlockType& type : kBlockTypes)
    if (static_cast<uint32_t>(type.type) == number) return &type;
  return nullptr;
}

}  // namespace gpt2run::gguf
