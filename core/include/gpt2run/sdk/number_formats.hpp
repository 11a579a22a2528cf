// The number formats of 8 and 4 bits that are no integers: FP8 E4M3 and E5M2, FP4 E2M1 with the shared scale of MX, and
// NF4. Every function gives the nearest value of a format as FP32, and works on bits and exact FP32 operations. So
// every compiler and machine gives the same result. Pure functions without errors, for any thread.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "gpt2run/sdk/quantise.hpp"

namespace gpt2run {

// A floating-point format: sign, exponent and `fraction` bits, with subnormals and without infinities here.
struct SmallFloat {
  int fraction;
  int least_exponent;  // of normal values
  float largest;
};

// OCP 8-bit floating point specification (OFP8), and the elements of MXFP4 in OCP's microscaling formats (MX) 1.0.
inline constexpr SmallFloat kE4m3{3, -6, 448};
inline constexpr SmallFloat kE5m2{2, -14, 57344};
inline constexpr SmallFloat kE2m1{1, 0, 6};

// The nearest value of the format, ties to even. Saturating: what is larger than the largest value, infinity included,
// becomes the largest value. NaN stays NaN, and -0 stays -0.
constexpr float round_to(const SmallFloat& format, float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x), magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return x;
  const float size = std::min(std::bit_cast<float>(magnitude), format.largest);
  const int exponent = std::max(static_cast<int>(std::bit_cast<uint32_t>(size) >> 23) - 127, format.least_exponent);
  // The distance of neighbouring values, a power of two: the quotient is exact, and below 2^(fraction + 1).
  const float step = std::bit_cast<float>(static_cast<uint32_t>(exponent - format.fraction + 127) << 23);
  const float nearest = std::min(static_cast<float>(nearest_even(size / step)) * step, format.largest);
  return bits >> 31 ? -nearest : nearest;
}

inline constexpr int kMxGroup = 32;  // values that share a scale in MX

// The shared scale of MX, a power of two from 2^-127 to 2^127, from the bits of the group's largest |x|, which is
// finite: 2^(floor(log2(largest)) - 2), where 2 is the exponent of E2M1's largest values.
inline float mx_scale(uint32_t largest) {
  if (largest == 0) return 1;
  return std::ldexp(1.0f, std::max(std::ilogb(std::bit_cast<float>(largest)) - 2, -127));
}

inline constexpr int kNf4Group = 64;  // values that share a scale in QLoRA

// NormalFloat with 4 bits (Dettmers et al. 2023, QLoRA): quantiles of the normal distribution, scaled to [-1, 1]. The
// values are those of bitsandbytes.
inline constexpr float kNf4[16] = {-1.0f,
                                   -0.6961928009986877f,
                                   -0.5250730514526367f,
                                   -0.39491748809814453f,
                                   -0.28444138169288635f,
                                   -0.18477343022823334f,
                                   -0.09105003625154495f,
                                   0.0f,
                                   0.07958029955625534f,
                                   0.16093020141124725f,
                                   0.24611230194568634f,
                                   0.33791524171829224f,
                                   0.44070982933044434f,
                                   0.5626170039176941f,
                                   0.7229568362236023f,
                                   1.0f};

// The nearest of kNf4, the lower one of two that are equally near. NaN gives the lowest.
constexpr float round_to_nf4(float x) {
  int i = 0;
  while (i < 15 && double{x} - double{kNf4[i]} > double{kNf4[i + 1]} - double{x}) ++i;
  return kNf4[i];
}

}  // namespace gpt2run
