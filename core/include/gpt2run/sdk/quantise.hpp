// Quantisation to 8 and 4 bits, as the contracts of docs/numerics.md define it. The precision `reference`, the CPU
// precisions, gpt2convert and reports all use these functions, or kernels with the same bits. Every operation is FP32,
// rounded by itself, to nearest even, and never fused. So every compiler and processor gives the same integers and
// scales, as long as it is told not to fuse them (GCC: -ffp-contract=off). Pure functions without errors, for any
// thread.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "gpt2run/loader.hpp"

namespace gpt2run {

// Rows whose values are all smaller become zeros. At the other end of FP32, values can be scaled where 127 s is finite,
// or 120 s of int4. s is rounded up, so a row beyond that has finite codes and a finite scale, but may have values of
// infinity.
inline constexpr float kLeastScaled = 0x1p-100f;
inline constexpr int kMostInt8 = 127;  // -128 is never used, so that a code and its negative both exist
inline constexpr int kMostInt4 = 15;
inline constexpr int kInt4Group = 32;  // columns that share a zero point and a factor

// The largest |x| of a row as the bits of FP32. NaN and infinity are larger than all numbers.
inline uint32_t largest_magnitude(std::span<const float> row) {
  uint32_t largest = 0;
  for (const float x : row) largest = std::max(largest, std::bit_cast<uint32_t>(x) & 0x7fffffff);
  return largest;
}

// A positive finite number rounded up to 16 significant bits. Its products with integers of up to 8 bits are then exact
// in FP32.
constexpr float rounded_up_to_16_bits(float x) {
  return std::bit_cast<float>((std::bit_cast<uint32_t>(x) + 0xff) & ~0xffu);
}

// The integer nearest to x, ties to even. |x| is below 2^22.
constexpr int32_t nearest_even(float x) {
  constexpr float kMagic = 0x1.8p23f;  // the unit in the last place of this number is 1
  return std::bit_cast<int32_t>(x + kMagic) - std::bit_cast<int32_t>(kMagic);
}

// The scale of int8 codes for a row, from the bits of its largest |x|: at least the largest / 127. It is 0 for a row of
// zeros and of values below 2^-100, and NaN for one with NaN or infinity. The codes of both are 0.
constexpr float int8_scale(uint32_t largest) {
  if (largest >= 0x7f800000) return std::numeric_limits<float>::quiet_NaN();
  const float magnitude = std::bit_cast<float>(largest);
  return magnitude < kLeastScaled ? 0.0f : rounded_up_to_16_bits(magnitude / kMostInt8);
}

// What values are multiplied by to become codes.
constexpr float inverse_scale(float scale) { return scale > 0 ? 1 / scale : 0.0f; }

constexpr int8_t int8_code(float x, float inverse) {
  return inverse == 0 ? int8_t{0} : static_cast<int8_t>(nearest_even(x * inverse));
}

// codes (n) = row (n) / scale; returns the scale. scale x code is exact in FP32, and quantising these products again
// gives the same codes and scale.
inline float quantise_int8(std::span<const float> row, int8_t* codes) {
  const float scale = int8_scale(largest_magnitude(row)), inverse = inverse_scale(scale);
  for (size_t i = 0; i < row.size(); ++i) codes[i] = int8_code(row[i], inverse);
  return scale;
}

// The output of a product with integer sums: sum is the exact sum of the products of codes.
constexpr float int8_output(int32_t sum, float weight_scale, float input_scale) {
  return (static_cast<float>(sum) * weight_scale) * input_scale;
}

// The int4 form of one group of a row: value = scale x factor x (code - zero) with the scale of the row. A byte holds
// factor - 1 in its high four bits and the zero point in its low four bits (Tensor::groups).
struct Int4Group {
  int factor, zero;  // 1 to 8 as quantised here, up to 16 in files; 0 to 15
  constexpr uint8_t byte() const { return static_cast<uint8_t>((factor - 1) << 4 | zero); }
  static constexpr Int4Group of(uint8_t byte) { return {(byte >> 4) + 1, byte & 15}; }
};

// The distance between neighbouring values that a group needs. Zero is always among the values.
inline float int4_step(std::span<const float> group) {
  float least = 0, greatest = 0;
  for (const float x : group) least = std::min(least, x), greatest = std::max(greatest, x);
  return (greatest - least) / kMostInt4;
}

// The scale of a row of int4 weights whose groups' largest step is this: the largest factor is 8. 0 as in int8_scale.
constexpr float int4_scale(float largest_step) {
  if (!(largest_step <= std::numeric_limits<float>::max())) return std::numeric_limits<float>::quiet_NaN();
  return largest_step < kLeastScaled ? 0.0f : rounded_up_to_16_bits(largest_step / 8);
}

// codes (n, one in each byte) of a group, with the scale of its row, which is above 0.
inline Int4Group quantise_int4_group(std::span<const float> group, float scale, uint8_t* codes) {
  float least = 0;
  for (const float x : group) least = std::min(least, x);
  const auto factor = std::clamp(nearest_even(int4_step(group) / scale), 1, 8);
  const float step = scale * static_cast<float>(factor);
  const auto zero = std::clamp(nearest_even(-least / step), 0, kMostInt4);
  for (size_t i = 0; i < group.size(); ++i)
    codes[i] = static_cast<uint8_t>(std::clamp(nearest_even(group[i] / step) + zero, 0, kMostInt4));
  return {factor, zero};
}

// codes (n, one in each byte) and groups (n / kInt4Group rounded up) of a row; returns the row's scale. A row whose
// scale is 0 has codes, zero points and factors for zeros; one with NaN or infinity has the scale NaN.
//   value = scale x int4_weight(group, code), and int4_weight is an int8 weight: its magnitude is at most 120.
inline float quantise_int4(std::span<const float> row, uint8_t* codes, Int4Group* groups) {
  float largest = largest_magnitude(row) < 0x7f800000 ? 0 : std::numeric_limits<float>::quiet_NaN();
  for (size_t at = 0; at < row.size(); at += kInt4Group)
    largest = std::max(largest, int4_step(row.subspan(at, std::min<size_t>(kInt4Group, row.size() - at))));
  const float scale = int4_scale(largest);
  for (size_t at = 0; at < row.size(); at += kInt4Group, ++groups) {
    const auto group = row.subspan(at, std::min<size_t>(kInt4Group, row.size() - at));
    if (scale > 0) {
      *groups = quantise_int4_group(group, scale, codes + at);
    } else {
      *groups = {1, 0};
      std::memset(codes + at, 0, group.size());
    }
  }
  return scale;
}

// True if a row of a u4 tensor has the form that quantise_int4 writes: groups of kInt4Group columns, factors up to 8,
// and a scale of at most 16 significant bits. Such a row is taken as it is, since quantising its values again could
// choose other groups. Any other is a row of values like those of other types.
inline bool is_int4_row(const Tensor& t, int64_t row) {
  if (t.type != Type::u4 || t.group != kInt4Group) return false;
  float scale;
  std::memcpy(&scale, static_cast<const std::byte*>(t.scales) + row * int64_t{sizeof scale}, sizeof scale);
  if (!(scale >= 0) || !std::isfinite(scale) || std::bit_cast<uint32_t>(scale) & 0xff) return false;
  const int64_t groups = (t.cols + kInt4Group - 1) / kInt4Group;
  const auto* own = static_cast<const uint8_t*>(t.groups) + row * groups;
  return std::all_of(own, own + groups, [](uint8_t byte) { return Int4Group::of(byte).factor <= 8; });
}

// The type of a matrix in a model whose layers are quantised to `layers`, i8 or u4: embedding and head have 8 bits, as
// 4 would cost a third of all that is lost, and a tied head is the embedding.
constexpr Type quantised_type_of(Weight weight, Type layers) {
  return weight == Weight::wte || weight == Weight::head_w ? Type::i8 : layers;
}

constexpr int8_t int4_weight(Int4Group group, int code) {
  return static_cast<int8_t>(group.factor * (code - group.zero));
}

}  // namespace gpt2run
