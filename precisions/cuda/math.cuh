// Arithmetic of kernels: the three storage types, loads of 16 bytes, and functions that leave no rounding to the
// compiler, so that the device and the executor compute the same bits.
#pragma once
#include <cmath>

#include "gpt2run/sdk/cuda/device.hpp"
#include "gpt2run/sdk/float16.hpp"

namespace gpt2run::cuda {

#if defined(__CUDACC__)
GPT2RUN_DEVICE float widen(f16 value) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
}
GPT2RUN_DEVICE f16 narrow_f16(float value) {
  f16 half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half.bits) : "f"(value));
  return half;
}
#else
inline float widen(f16 value) { return to_f32(value); }
inline f16 narrow_f16(float value) { return from_f32<f16>(value); }
#endif
GPT2RUN_DEVICE float widen(bf16 value) { return to_f32(value); }
GPT2RUN_DEVICE float widen(float value) { return value; }

// Rounds to the nearest value of the type, ties to even. Values that are too large become infinity.
template <class Value>
GPT2RUN_DEVICE Value narrow(float value) {
  if constexpr (std::is_same_v<Value, f16>) return narrow_f16(value);
  return from_f32<Value>(value);
}
template <>
GPT2RUN_DEVICE f16 narrow<f16>(float value) {
  return narrow_f16(value);
}

// A vector is what one lane loads at a time: 16 bytes. A line is what eight lanes load together: 128 bytes. Rows of
// matrices, inputs and caches are padded with zeros to whole vectors or lines.
template <class Value>
inline constexpr int kVector = 16 / sizeof(Value);
inline constexpr int kLanes = 8;
template <class Value>
inline constexpr int kLine = kLanes* kVector<Value>;
template <class Value>
GPT2RUN_HD constexpr int padded_to_line(int count) {
  return divided_up(count, kLine<Value>) * kLine<Value>;
}
template <class Value>
GPT2RUN_HD constexpr int padded_to_vector(int count) {
  return divided_up(count, kVector<Value>) * kVector<Value>;
}

// A vector before it is widened: four registers, whatever the type.
struct alignas(16) Raw {
  uint32_t words[4];
};

// Loads and stores; `at` is 16-byte aligned. prefetch loads into the second-level cache.
#if defined(__CUDACC__)
template <class Value>
GPT2RUN_DEVICE Raw load_raw(const Value* at) {
  const uint4 read = *reinterpret_cast<const uint4*>(at);
  return {{read.x, read.y, read.z, read.w}};
}
template <class Value>
GPT2RUN_DEVICE void store_raw(Value* at, const Raw& raw) {
  *reinterpret_cast<uint4*>(at) = {raw.words[0], raw.words[1], raw.words[2], raw.words[3]};
}
GPT2RUN_DEVICE void prefetch(const void* at) { asm volatile("prefetch.global.L2 [%0];" ::"l"(at)); }
#else
template <class Value>
Raw load_raw(const Value* at) {
  executor::check_aligned(at, sizeof(Raw));
  Raw raw;
  std::memcpy(&raw, __builtin_assume_aligned(at, sizeof raw), sizeof raw);
  return raw;
}
template <class Value>
void store_raw(Value* at, const Raw& raw) {
  executor::check_aligned(at, sizeof raw);
  std::memcpy(static_cast<void*>(at), &raw, sizeof raw);
}
inline void prefetch(const void*) {}
#endif

template <class Value>
GPT2RUN_DEVICE void widen(const Raw& raw, float (&out)[kVector<Value>]) {
  GPT2RUN_UNROLL
  for (int i = 0; i < kVector<Value>; ++i) {
    if constexpr (std::is_same_v<Value, float>)
      out[i] = std::bit_cast<float>(raw.words[i]);
    else
      out[i] = widen(Value{static_cast<uint16_t>(raw.words[i / 2] >> i % 2 * 16)});
  }
}

// at: 16-byte aligned
template <class Value>
GPT2RUN_DEVICE void load(const Value* at, float (&out)[kVector<Value>]) {
  widen<Value>(load_raw(at), out);
}

// e^x with an error of about one unit in the last place. With x = k ln 2 + r, it is Cephes' polynomial for expf in r,
// times 2^k in two steps, so that the smallest and the largest results come out right. NaN gives NaN.
GPT2RUN_DEVICE float exponential(float x) {
  x = x < -110.0f ? -110.0f : x;
  x = x > 90.0f ? 90.0f : x;
  constexpr float magic = 0x1.8p23f;
  const float shifted = std::fma(x, 1.44269504088896341f, magic), k = shifted - magic;
  const float r = std::fma(k, 2.12194440e-4f, std::fma(k, -0.693359375f, x));
  float p = 1.9875691500e-4f;
  p = std::fma(p, r, 1.3981999507e-3f);
  p = std::fma(p, r, 8.3334519073e-3f);
  p = std::fma(p, r, 4.1665795894e-2f);
  p = std::fma(p, r, 1.6666665459e-1f);
  p = std::fma(p, r, 5.0000001201e-1f);
  p = std::fma(p, r * r, r) + 1.0f;
  const int32_t whole = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(magic), half = whole >> 1;
  const auto power = [](int32_t exponent) { return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23); };
  return p * power(half) * power(whole - half);
}

// GELU in its tanh form, 0.5 x (1 + tanh(u)) = x / (1 + e^(-2u)).
GPT2RUN_DEVICE float gelu(float x) {
  const float twice = 1.5957691216057308f * std::fma(0.044715f * x * x, x, x);
  return x / (1.0f + exponential(-twice));
}

}  // namespace gpt2run::cuda
