// The three number types of weights and rounding contracts: conversion is exact upwards and to nearest, ties to even,
// downwards; too large becomes infinity, NaN stays NaN (quiet), subnormals are kept. Pure functions on bits, so that
// every compiler and machine agrees.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#include "gpt2run/loader.hpp"

namespace gpt2run {

constexpr float f32_from_bf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

constexpr uint16_t bf16_from_f32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

constexpr float f32_from_f16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000u : 0u));
  if (exponent) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

constexpr uint16_t f16_from_f32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffff;
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 and more: halfway to the next power rounds to infinity
  if (magnitude < 0x38800000) {                       // below 2^-14: subnormal; adding 0.5 makes the FPU round at 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000));
  }
  return static_cast<uint16_t>(sign | (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

// The nearest value of the type, as FP32.
constexpr float round_to(Type type, float value) {
  if (type == Type::bf16) return f32_from_bf16(bf16_from_f32(value));
  if (type == Type::f16) return f32_from_f16(f16_from_f32(value));
  return value;
}

// The largest finite value, and the smallest positive one that has all its bits (below it: subnormal).
constexpr float largest_of(Type type) {
  return type == Type::f32 ? 0x1.FFFFFEp127f : type == Type::f16 ? 65504.f : 0x1.FEp127f;
}
constexpr float smallest_normal_of(Type type) { return type == Type::f16 ? 0x1p-14f : 0x1p-126f; }

constexpr int bytes_of(Type type) { return type == Type::f32 ? 4 : 2; }

constexpr const char* name_of(Type type) { return type == Type::f32 ? "fp32" : type == Type::f16 ? "fp16" : "bf16"; }

// Storage of one value; arithmetic is always done in FP32 or more.
struct f16 {
  uint16_t bits;
};
struct bf16 {
  uint16_t bits;
};
constexpr float to_f32(float value) { return value; }
constexpr float to_f32(f16 value) { return f32_from_f16(value.bits); }
constexpr float to_f32(bf16 value) { return f32_from_bf16(value.bits); }

template <class Value>
constexpr Value from_f32(float value);
template <>
constexpr float from_f32<float>(float value) {
  return value;
}
template <>
constexpr f16 from_f32<f16>(float value) {
  return {f16_from_f32(value)};
}
template <>
constexpr bf16 from_f32<bf16>(float value) {
  return {bf16_from_f32(value)};
}

// Element `index` of an array of the type, which may be unaligned.
inline float load_element(const void* data, Type type, int64_t index) {
  const char* at = static_cast<const char*>(data) + index * bytes_of(type);
  if (type == Type::f32) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return type == Type::bf16 ? f32_from_bf16(bits) : f32_from_f16(bits);
}

inline float at(const Tensor& t, int64_t row, int64_t col) {
  return load_element(t.data, t.type, row * t.row_stride + col * t.col_stride);
}

}  // namespace gpt2run
