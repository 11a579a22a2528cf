// Tiles: matrices of 16 rows of 64 bytes, which AMX multiplies in one instruction. Product code is written against one
// of two classes with the same members: PlainTiles, which defines what is computed and runs everywhere, and
// HardwareTiles, which has the instructions and is there where GPT2RUN_CPU_TILES is defined. Both give the same bits.
//
// There are eight tiles. Tiles 0 to 3 are sums (rows, 16), 4 and 5 inputs (rows, 64 bytes), and 6 and 7 weights (16, 64
// bytes), where `rows`, 1 to 16, is fixed by the constructor. A row of weights holds what belongs together, two BF16 or
// four int8 values, for each of 16 outputs, and a row of inputs holds 16 of such groups.
//
//   zero<t>()            sums t = +0
//   load<t>(at, stride)  tile t = the rows in memory, `stride` bytes apart
//   store<t>(at, stride) the opposite, for sums
//   dot_bf16<s, x, w>()  adds 32 products to each of the sums s (FP32): those of even index and those of odd index are
//                        added up apart, from +0 and in ascending order, each product and its addition rounded once.
//                        Then odd is added to even, and that to the sum. Subnormal inputs count as a zero of their
//                        sign, and a result below 2^-126 becomes one. It is judged after rounding as if there were no
//                        least exponent: 2^-126 - 2^-151, which is rounded to 2^-126, is the least that stays.
//   dot_int8<s, x, w>()  adds 64 products to each of the sums s (int32, modulo 2^32), inputs signed, weights unsigned
#pragma once
#include <cstdint>

#include "vector.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

constexpr int kTileSide = 16, kTileLine = 64;  // rows or outputs; bytes of a row
constexpr int kTileSums = kTileSide * kTileSide, kBytesOfTile = kTileSide * kTileLine;

// A number with any exponent as it is left by a tile's operation. Rounding to FP32 brings the numbers from the least
// that stays up to 2^-126, so both steps agree.
GPT2RUN_INLINE float flushed(double value) {
  constexpr double kLeast = 0x1p-126 - 0x1p-151;
  const float rounded = static_cast<float>(value);
  return __builtin_fabs(value) < kLeast ? __builtin_copysignf(0, rounded) : rounded;
}

// The BF16 value in the upper half of these bits, zero if it is subnormal.
GPT2RUN_INLINE double upper_bf16(uint32_t bits) {
  bits &= (bits & 0x7f800000) ? 0xffff0000 : 0x80000000;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

class PlainTiles {
 public:
  explicit PlainTiles(int rows) : rows_(rows) {}

  template <int t>
  void zero() {
    __builtin_memset(tiles_[t], 0, sizeof tiles_[t]);
  }
  template <int t>
  void load(const void* at, int64_t stride) {
    for (int r = 0; r < (t < 6 ? rows_ : kTileSide); ++r)
      __builtin_memcpy(tiles_[t][r], static_cast<const char*>(at) + r * stride, kTileLine);
  }
  template <int t>
  void store(void* at, int64_t stride) const {
    for (int r = 0; r < rows_; ++r) __builtin_memcpy(static_cast<char*>(at) + r * stride, tiles_[t][r], kTileLine);
  }

  template <int s, int x, int w>
  void dot_bf16() {
    for (int r = 0; r < rows_; ++r) {
      float even[kTileSide] = {}, odd[kTileSide] = {};
      for (int p = 0; p < kTileSide; ++p) {
        const uint32_t pair = word(x, r, p);
        const double first = upper_bf16(pair << 16), second = upper_bf16(pair);
        for (int o = 0; o < kTileSide; ++o) {
          const uint32_t weights = word(w, p, o);
          even[o] = flushed(first * upper_bf16(weights << 16) + even[o]);
          odd[o] = flushed(second * upper_bf16(weights) + odd[o]);
        }
      }
      for (int o = 0; o < kTileSide; ++o) {
        float sum;
        __builtin_memcpy(&sum, &tiles_[s][r][o], sizeof sum);
        sum = flushed(double(flushed(double(even[o]) + odd[o])) + sum);
        __builtin_memcpy(&tiles_[s][r][o], &sum, sizeof sum);
      }
    }
  }

  template <int s, int x, int w>
  void dot_int8() {
    for (int r = 0; r < rows_; ++r) {
      for (int p = 0; p < kTileSide; ++p) {
        for (int o = 0; o < kTileSide; ++o) {
          for (int i = 0; i < 4; ++i)
            tiles_[s][r][o] += static_cast<uint32_t>(input(word(x, r, p), i) * weight(word(w, p, o), i));
        }
      }
    }
  }

 private:
  uint32_t word(int t, int row, int column) const { return tiles_[t][row][column]; }
  static int input(uint32_t four, int i) { return static_cast<int8_t>(four >> 8 * i); }
  static int weight(uint32_t four, int i) { return static_cast<uint8_t>(four >> 8 * i); }

  int rows_;
  uint32_t tiles_[8][kTileSide][kTileSide];
};

#if defined(GPT2RUN_CPU_TILES)
// At most one at a time on a thread, which must be allowed to use tiles (isa.hpp). The thread's tiles are configured
// for the lifetime of the object and then released, so that nothing of them is left behind. The assembler is written
// here because GCC 12's own header tells the compiler of 8 of the configuration's 64 bytes only.
class HardwareTiles {
 public:
  explicit HardwareTiles(int rows) {
    Configuration configuration{};
    configuration.palette = 1;
    for (int t = 0; t < 8; ++t)
      configuration.line[t] = kTileLine, configuration.rows[t] = static_cast<uint8_t>(t < 6 ? rows : kTileSide);
    asm volatile("ldtilecfg %0" ::"m"(configuration));
  }
  ~HardwareTiles() { asm volatile("tilerelease" ::: "memory"); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  template <int t>
  void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(t));
  }
  template <int t>
  void load(const void* at, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(at), "r"(stride), "i"(t) : "memory");
  }
  template <int t>
  void store(void* at, int64_t stride) const {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(at), "r"(stride), "i"(t) : "memory");
  }
  template <int s, int x, int w>
  void dot_bf16() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(s), "i"(x), "i"(w));
  }
  template <int s, int x, int w>
  void dot_int8() {
    asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(s), "i"(x), "i"(w));
  }

 private:
  struct alignas(64) Configuration {
    uint8_t palette, first, reserved[14];
    uint16_t line[16];
    uint8_t rows[16];
  };
};
#endif

// Sums of 2 x 2 tiles, of which the last two are those of a second tile of rows, which is there if kTwo.
// Sets them to +0 if `first`, else loads them from memory, where one tile stands behind another.
template <bool kTwo, class Tiles>
GPT2RUN_INLINE void begin_sums(Tiles& tiles, bool first, const void* before) {
  const auto* at = static_cast<const char*>(before);
  if (first) {
    tiles.template zero<0>(), tiles.template zero<1>();
    if constexpr (kTwo) tiles.template zero<2>(), tiles.template zero<3>();
    return;
  }
  tiles.template load<0>(at, kTileLine), tiles.template load<1>(at + kBytesOfTile, kTileLine);
  if constexpr (kTwo) tiles.template load<2>(at + 2 * kBytesOfTile, kTileLine);
  if constexpr (kTwo) tiles.template load<3>(at + 3 * kBytesOfTile, kTileLine);
}

// Stores them: tile 1 is `right` bytes behind tile 0, tile 2 `below` bytes, and rows are `stride` bytes apart.
template <bool kTwo, class Tiles>
GPT2RUN_INLINE void end_sums(const Tiles& tiles, void* after, int64_t right, int64_t below, int64_t stride) {
  auto* at = static_cast<char*>(after);
  tiles.template store<0>(at, stride), tiles.template store<1>(at + right, stride);
  if constexpr (kTwo) tiles.template store<2>(at + below, stride);
  if constexpr (kTwo) tiles.template store<3>(at + below + right, stride);
}

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
