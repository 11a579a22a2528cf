// The number types FP32, FP16 and BF16, and reading elements of all types of tensors. Widening is exact. Narrowing
// rounds to nearest, ties to even; values that are too large become infinity, NaN stays NaN and becomes quiet, and
// subnormals are kept. These are pure functions on bits, so every compiler and machine gives the same result.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#include "gpt2run/loader.hpp"

namespace gpt2run {

// For the default case of a switch over types.
[[noreturn]] inline void fail_type(Type type) { fail("a value of the type ", name_of(type), " cannot be used here"); }

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
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 or more rounds to infinity
  if (magnitude < 0x38800000) {                       // below 2^-14: subnormal; adding 0.5 makes the FPU round at 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000));
  }
  return static_cast<uint16_t>(sign | (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

// The nearest value of the type, returned as FP32.
constexpr float round_to(Type type, float value) {
  switch (type) {
    case Type::f32:
      return value;
    case Type::f16:
      return f32_from_f16(f16_from_f32(value));
    case Type::bf16:
      return f32_from_bf16(bf16_from_f32(value));
    default:
      fail_type(type);
  }
}

// The largest finite value of a type, and its smallest positive normal value (values below it are subnormal).
constexpr float largest_of(Type type) {
  switch (type) {
    case Type::f32:
      return 0x1.FFFFFEp127f;
    case Type::f16:
      return 65504.f;
    case Type::bf16:
      return 0x1.FEp127f;
    default:
      fail_type(type);
  }
}
constexpr float smallest_normal_of(Type type) {
  switch (type) {
    case Type::f32:
    case Type::bf16:
      return 0x1p-126f;
    case Type::f16:
      return 0x1p-14f;
    default:
      fail_type(type);
  }
}

// The options that give `reference` the contract that rounds to this type (Traits::contract).
constexpr const char* contract_of(Type type) {
  switch (type) {
    case Type::f32:
      return "type=fp32";
    case Type::f16:
      return "type=fp16";
    case Type::bf16:
      return "type=bf16";
    default:
      return "";
  }
}

// The bytes of one element. Throws Error for int4, where two elements share a byte.
constexpr int bytes_of(Type type) {
  switch (type) {
    case Type::f64:
      return 8;
    case Type::f32:
      return 4;
    case Type::f16:
    case Type::bf16:
      return 2;
    case Type::i8:
      return 1;
    default:
      fail_type(type);
  }
}

// The bytes of `count` neighbouring elements, the first of which begins a byte.
constexpr int64_t bytes_of(Type type, int64_t count) {
  return type == Type::u4 ? (count + 1) / 2 : count * bytes_of(type);
}

// Storage types of one value. Arithmetic is always done in FP32 or wider.
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

// Element `index` of an array of a floating-point type, which may be unaligned, as FP32. FP64 is rounded. Throws Error
// for i8 and u4, whose elements need scales.
inline float load_element(const void* data, Type type, int64_t index) {
  const auto load = [&](auto value) {
    std::memcpy(&value, static_cast<const char*>(data) + index * static_cast<int64_t>(sizeof value), sizeof value);
    return value;
  };
  switch (type) {
    case Type::f32:
      return load(float{});
    case Type::f64:
      return static_cast<float>(load(double{}));
    case Type::f16:
      return f32_from_f16(load(uint16_t{}));
    case Type::bf16:
      return f32_from_bf16(load(uint16_t{}));
    case Type::i8:
    case Type::u4:
      break;
  }
  fail_type(type);
}

// The groups of a row of a u4 tensor.
constexpr int64_t groups_of(const Tensor& t) { return (t.cols + t.group - 1) / t.group; }

// Element (row, col) of a tensor of any type, as FP32. i8 and u4 are exact (loader.hpp).
inline float at(const Tensor& t, int64_t row, int64_t col) {
  const int64_t index = row * t.row_stride + col * t.col_stride;
  if (t.type != Type::i8 && t.type != Type::u4) return load_element(t.data, t.type, index);
  const float scale = load_element(t.scales, Type::f32, row);
  if (t.type == Type::i8) return scale * static_cast<const int8_t*>(t.data)[index];
  const int pair = static_cast<const uint8_t*>(t.data)[index / 2], q = index % 2 ? pair >> 4 : pair & 15;
  const int group = static_cast<const uint8_t*>(t.groups)[row * groups_of(t) + col / t.group];
  return scale * static_cast<float>(((group >> 4) + 1) * (q - (group & 15)));
}

}  // namespace gpt2run
