// Tiles: their plain twin against arithmetic in integers, and the processor's own against the twin.
#include <bit>
#include <random>

#include "backend.hpp"
#include "tile.hpp"

namespace gpt2run::test {
namespace {

using cpu::portable::kTileSide;
using cpu::portable::PlainTiles;

// significand x 2^exponent, exactly.
struct Exact {
  __int128 significand;
  int exponent;
};

Exact exact(float x) {
  int exponent = 0;
  return {static_cast<__int128>(std::ldexp(std::frexp(x, &exponent), 24)), exponent - 24};
}

int digits_of(__int128 x) {
  int digits = 0;
  for (x = x < 0 ? -x : x; x; x >>= 1) ++digits;
  return digits;
}

// The sum, except that of a number that is far smaller only the sign and a single digit are kept, below all digits that
// decide about rounding to 24.
Exact sum(Exact a, Exact b) {
  if (a.significand == 0) return b;
  if (b.significand == 0) return a;
  if (a.exponent + digits_of(a.significand) < b.exponent + digits_of(b.significand)) std::swap(a, b);
  const int up = 100 - digits_of(a.significand);
  a.significand <<= up, a.exponent -= up;
  if (b.exponent + digits_of(b.significand) <= a.exponent)
    return {2 * a.significand + (b.significand > 0 ? 1 : -1), a.exponent - 1};
  const int shift = b.exponent - a.exponent;
  if (shift >= 0) return {a.significand + (b.significand << shift), a.exponent};
  const __int128 kept = b.significand >> -shift;  // downward, and a digit for what is lost
  return {2 * (a.significand + kept) + (kept << -shift != b.significand), a.exponent - 1};
}

// Rounds to 24 digits, ties to even, with any exponent. What is then below 2^-126 becomes a zero of its sign.
float flushed(Exact x, float if_zero) {
  if (x.significand == 0) return if_zero;
  const bool negative = x.significand < 0;
  __int128 size = negative ? -x.significand : x.significand;
  if (const int drop = digits_of(size) - 24; drop > 0) {
    const __int128 rest = size & ((static_cast<__int128>(1) << drop) - 1), half = static_cast<__int128>(1)
                                                                                  << (drop - 1);
    size >>= drop, x.exponent += drop;
    size += rest > half || (rest == half && size % 2);
  }
  const bool tiny = digits_of(size) + x.exponent <= -126;
  const auto value = static_cast<float>(std::ldexp(static_cast<double>(size), x.exponent));
  return std::copysign(tiny ? 0 : value, negative ? -1.0f : 1.0f);
}

float or_zero(float x) { return std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

// a b + c. Of numbers that are none, and of zeros the sign, FP32's own operation knows.
float multiply_add(float a, float b, float c) {
  const float plain = std::fma(a, b, c);
  if (!std::isfinite(a) || !std::isfinite(b) || !std::isfinite(c)) return plain;
  const Exact x = exact(a), y = exact(b);
  return flushed(sum({x.significand * y.significand, x.exponent + y.exponent}, exact(c)), plain);
}

float dot_of_pairs(const float* x, const float* w, float total) {
  float even = 0, odd = 0;
  for (int k = 0; k < 32; k += 2) {
    even = multiply_add(or_zero(x[k]), or_zero(w[k]), even);
    odd = multiply_add(or_zero(x[k + 1]), or_zero(w[k + 1]), odd);
  }
  return multiply_add(1, multiply_add(1, even, odd), total);
}

bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

// Three tiles in memory: sums (16, 16), inputs (16, 32) and weights (16 pairs, 16 outputs, 2) as BF16.
struct Operands {
  std::vector<float> sums = std::vector<float>(256);
  std::vector<uint16_t> inputs = std::vector<uint16_t>(512), weights = std::vector<uint16_t>(512);
};

template <class Tiles>
std::vector<float> dot_by(const Operands& operands, int rows) {
  std::vector<float> out = operands.sums;
  Tiles tiles(rows);
  tiles.template load<1>(operands.sums.data(), 64);
  tiles.template load<5>(operands.inputs.data(), 64), tiles.template load<6>(operands.weights.data(), 64);
  tiles.template dot_bf16<1, 5, 6>();
  tiles.template store<1>(out.data(), 64);
  return out;
}

// The five kinds of numbers for which a tile's steps round in different ways: near 1; over 41 binades; so small that
// products are subnormal; subnormal themselves; and so large that sums overflow.
enum class Regime { normal, wide, tiny, subnormal, overflow };
constexpr Regime kRegimes[] = {Regime::normal, Regime::wide, Regime::tiny, Regime::subnormal, Regime::overflow};

uint16_t random_bf16(std::mt19937& random, Regime regime) {
  const uint32_t sign = random() & 0x8000, digits = random() & 0x7f;
  uint32_t exponent = 127 - random() % 6;
  if (regime == Regime::wide) exponent = 127 - random() % 41;
  if (regime == Regime::tiny) exponent = 60 + random() % 10;
  if (regime == Regime::subnormal) exponent = random() % 3 ? random() % 2 : 120 + random() % 8;
  if (regime == Regime::overflow) exponent = 184 + random() % 8;
  return static_cast<uint16_t>(sign | exponent << 7 | digits);
}

Operands random_operands(std::mt19937& random, Regime regime) {
  Operands o;
  for (uint16_t& value : o.inputs) value = random_bf16(random, regime);
  for (uint16_t& value : o.weights) value = random_bf16(random, regime);
  for (float& value : o.sums) {
    const float of_size =
        f32_from_bf16(random_bf16(random, regime)) * (1 + static_cast<float>(random() % 999) * 0x1p-23f);
    value = random() % 3 == 0 ? 0 : or_zero(regime == Regime::tiny ? of_size * 0x1p-60f : of_size);
  }
  return o;
}

TEST(Tiles, TwinIsExactArithmeticRoundedAsDefined) {
  std::mt19937 random(3);
  for (const Regime regime : kRegimes) {
    int64_t wrong = 0, flushes = 0, infinite = 0;
    for (int round = 0; round < 12; ++round) {
      const Operands o = random_operands(random, regime);
      const auto own = dot_by<PlainTiles>(o, kTileSide);
      for (int i = 0; i < 256; ++i) {
        float x[32], w[32];
        for (int k = 0; k < 32; ++k) {
          x[k] = f32_from_bf16(o.inputs[i / 16 * 32 + k]);
          w[k] = f32_from_bf16(o.weights[k / 2 * 32 + i % 16 * 2 + k % 2]);
        }
        wrong += !same(own[i], dot_of_pairs(x, w, o.sums[i]));
        flushes += own[i] == 0, infinite += !std::isfinite(own[i]);
      }
    }
    EXPECT_EQ(wrong, 0) << "regime " << int(regime);
    EXPECT_EQ(infinite > 0, regime == Regime::overflow);
    EXPECT_EQ(flushes > 0, regime == Regime::tiny || regime == Regime::subnormal);
  }
}

// 2^-126 less some units of 2^-151. Rounding to 24 digits brings all from 1 unit on up to 2^-126. Rounding to FP32's
// own subnormal numbers would do so from 2 on.
TEST(Tiles, SmallnessIsJudgedAfterRounding) {
  const struct {
    float units, expected;
  } cases[] = {{0.5f, 0x1p-126f}, {0.75f, 0x1p-126f}, {1, 0x1p-126f}, {1.25f, 0}, {1.5f, 0}, {2, 0}, {8, 0}};
  for (const auto& [units, expected] : cases) {
    for (const float sign : {1.0f, -1.0f}) {
      const float x[] = {sign * 0x1p-60f, -sign * units * 0x1p-75f}, w[] = {0x1p-66f, 0x1p-76f};
      Operands o;
      for (int k = 0; k < 2; ++k) {  // both of even index
        o.inputs[2 * k] = bf16_from_f32(x[k]);
        o.weights[k * 32] = bf16_from_f32(w[k]);
      }
      EXPECT_EQ(dot_by<PlainTiles>(o, 1)[0], sign * expected) << units;
      EXPECT_EQ(multiply_add(x[1], w[1], multiply_add(x[0], w[0], 0)), sign * expected) << units;
    }
  }
}

TEST(Tiles, OnlyTheRowsOfTheTileAreTouched) {
  std::mt19937 random(4);
  const Operands o = random_operands(random, Regime::normal);
  const auto all = dot_by<PlainTiles>(o, kTileSide), some = dot_by<PlainTiles>(o, 5);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(some[i], i < 5 * 16 ? all[i] : o.sums[i]);
}

struct Bytes {
  std::vector<int32_t> sums = std::vector<int32_t>(256);
  std::vector<int8_t> inputs = std::vector<int8_t>(1024);
  std::vector<uint8_t> weights = std::vector<uint8_t>(1024);
};

template <class Tiles>
std::vector<int32_t> int8_dot_by(const Bytes& operands) {
  std::vector<int32_t> out(256);
  Tiles tiles(kTileSide);
  tiles.template load<0>(operands.sums.data(), 64);
  tiles.template load<4>(operands.inputs.data(), 64), tiles.template load<7>(operands.weights.data(), 64);
  tiles.template dot_int8<0, 4, 7>();
  tiles.template store<0>(out.data(), 64);
  return out;
}

Bytes random_bytes(std::mt19937& random) {
  Bytes b;
  for (int32_t& value : b.sums) value = static_cast<int32_t>(random());  // so that some sums pass the end of int32
  for (int8_t& value : b.inputs) value = static_cast<int8_t>(random() % 5 ? random() : 128);
  for (uint8_t& value : b.weights) value = static_cast<uint8_t>(random() % 5 ? random() : 255);
  return b;
}

TEST(Tiles, Int8SumsAreExactModulo32Bits) {
  std::mt19937 random(5);
  for (int round = 0; round < 10; ++round) {
    const Bytes b = random_bytes(random);
    const auto own = int8_dot_by<PlainTiles>(b);
    for (int i = 0; i < 256; ++i) {
      int64_t total = b.sums[i];
      for (int k = 0; k < 64; ++k)
        total += int64_t(b.inputs[i / 16 * 64 + k]) * b.weights[k / 4 * 64 + i % 16 * 4 + k % 4];
      EXPECT_EQ(static_cast<uint32_t>(own[i]), static_cast<uint32_t>(total));
    }
  }
}

TEST(Tiles, HardwareGivesTheBitsOfTheTwin) {
#if defined(GPT2RUN_CPU_TILES)
  if (!cpu::tiles_allowed()) GTEST_SKIP() << "this machine has no AMX tiles, or the system does not allow them";
  using cpu::portable::HardwareTiles;
  std::mt19937 random(6);
  for (const Regime regime : kRegimes) {
    int64_t wrong = 0;
    for (int round = 0; round < 300; ++round) {
      const Operands o = random_operands(random, regime);
      const int rows = 1 + round % kTileSide;
      const auto own = dot_by<HardwareTiles>(o, rows), expected = dot_by<PlainTiles>(o, rows);
      for (int i = 0; i < 256; ++i) wrong += !same(own[i], expected[i]);
    }
    EXPECT_EQ(wrong, 0) << "regime " << int(regime);
  }
  for (int round = 0; round < 100; ++round) {
    const Bytes b = random_bytes(random);
    EXPECT_EQ(int8_dot_by<HardwareTiles>(b), int8_dot_by<PlainTiles>(b));
  }
#else
  GTEST_SKIP() << "this build has no AMX tiles";
#endif
}

}  // namespace
}  // namespace gpt2run::test
