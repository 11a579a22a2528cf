// The number format bf16x2: numbers that are the sum of two values of BF16, hi = BF16(x) and lo = BF16(x - hi), each
// to nearest, ties to even. That is FP32 with 17 digits, or 16, and products of the two parts are exact in FP32.
#pragma once
#include <cmath>

#include "gpt2run/sdk/float16.hpp"

namespace gpt2run {

inline constexpr char kTwoBf16[] = "bf16x2";

// The value of the format for x. What BF16 rounds to infinity becomes infinity. NaN stays NaN, and subnormals and -0
// are kept.
inline float round_to_two_bf16(float x) {
  const float high = round_to(Type::bf16, x);
  return std::isfinite(high) && high != x ? high + round_to(Type::bf16, x - high) : high;
}

}  // namespace gpt2run
