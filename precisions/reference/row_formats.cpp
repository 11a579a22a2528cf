// Rounds rows to the formats of the grid.
#include "row_formats.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "../common/two_bf16.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/number_formats.hpp"
#include "gpt2run/sdk/quantise.hpp"

namespace gpt2run::grid {
namespace {

using Row = std::span<float>;

// Calls body with each group of a row.
template <class Body>
void for_each_group(Row row, size_t group, Body body) {
  if (group == 0) group = row.size();
  for (size_t at = 0; at < row.size(); at += group) body(row.subspan(at, std::min(group, row.size() - at)));
}

void round_to_q8(Row row) {
  std::vector<int8_t> codes(row.size());
  const float scale = quantise_int8(row, codes.data());
  for (size_t i = 0; i < row.size(); ++i) row[i] = scale * static_cast<float>(codes[i]);
}

void round_to_int4(Row row) {
  std::vector<uint8_t> codes(row.size());
  std::vector<Int4Group> groups((row.size() + kInt4Group - 1) / kInt4Group);
  const float scale = quantise_int4(row, codes.data(), groups.data());
  for (size_t i = 0; i < row.size(); ++i)
    row[i] = scale * static_cast<float>(int4_weight(groups[i / kInt4Group], codes[i]));
}

// value = scale x code(value / scale), with a scale so that the largest value gets the largest code.
template <class Code>
void round_scaled(Row row, float largest_code, Code code) {
  const float largest = std::bit_cast<float>(largest_magnitude(row));
  const float scale = largest < kLeastScaled ? 0 : rounded_up_to_16_bits(largest / largest_code);
  const float inverse = inverse_scale(scale);
  for (float& x : row) x = inverse == 0 ? 0 : scale * code(x * inverse);
}

// The distance of neighbouring values that a group with a zero point needs.
float step_with_zero(Row group, int most) {
  const auto [least, greatest] = std::ranges::minmax(group);
  return (std::max(0.0f, greatest) - std::min(0.0f, least)) / static_cast<float>(most);
}

// value = scale x (code - zero point), with codes from 0 to `most`.
void round_with_zero(Row group, float scale, int most) {
  if (scale == 0) return void(std::ranges::fill(group, 0.0f));
  const int zero = std::clamp(nearest_even(-std::min(0.0f, std::ranges::min(group)) / scale), 0, most);
  for (float& x : group) x = scale * static_cast<float>(std::clamp(nearest_even(x / scale) + zero, 0, most) - zero);
}

float scale_of_step(float step) { return step < kLeastScaled ? 0 : rounded_up_to_16_bits(step); }

void round_with_zero(Row group, int most) { round_with_zero(group, scale_of_step(step_with_zero(group, most)), most); }

// The scale of a group is that of the row, times an integer from 1 to `factors`.
void round_to_int4(Row row, size_t width, int factors) {
  float largest = 0;
  for_each_group(row, width, [&](Row group) { largest = std::max(largest, step_with_zero(group, kMostInt4)); });
  const float scale = largest < kLeastScaled ? 0 : rounded_up_to_16_bits(largest / static_cast<float>(factors));
  for_each_group(row, width, [&](Row group) {
    const float step = step_with_zero(group, kMostInt4);
    const int factor = scale > 0 ? std::clamp(nearest_even(step / scale), 1, factors) : 0;
    round_with_zero(group, scale * static_cast<float>(factor), kMostInt4);
  });
}

// value = least + scale x code, with codes from 0 to `most`.
void round_from_least(Row group, int most) {
  const auto [least, greatest] = std::ranges::minmax(group);
  const float scale = scale_of_step((greatest - least) / static_cast<float>(most));
  for (float& x : group)
    x = scale == 0 ? least : least + scale * static_cast<float>(std::clamp(nearest_even((x - least) / scale), 0, most));
}

void round_to_mxfp4(Row row) {
  const float scale = mx_scale(largest_magnitude(row));
  for (float& x : row) x = scale * round_to(kE2m1, x / scale);
}

void round_to_scaled_nf4(Row row) {
  const float scale = std::bit_cast<float>(largest_magnitude(row));
  for (float& x : row) x = scale < kLeastScaled ? 0 : scale * round_to_nf4(x / scale);
}

void round_group(const RowFormat& format, Row row) {
  switch (format.format) {
    case Format::int8:
    case Format::int4: {
      const int most = format.format == Format::int8 ? 255 : kMostInt4;
      if (format.zero == Zero::on) return round_with_zero(row, most);
      if (format.zero == Zero::least) return round_from_least(row, most);
      if (format.format == Format::int8) return round_to_q8(row);
      return round_scaled(row, 7, [](float x) { return static_cast<float>(nearest_even(x)); });
    }
    case Format::e4m3:
      return round_scaled(row, kE4m3.largest, [](float x) { return round_to(kE4m3, x); });
    case Format::e5m2:
      return round_scaled(row, kE5m2.largest, [](float x) { return round_to(kE5m2, x); });
    case Format::mxfp4:
      return round_to_mxfp4(row);
    case Format::nf4:
      return round_to_scaled_nf4(row);
    case Format::fp32:
    case Format::bf16:
    case Format::fp16:
    case Format::bf16x2:
      break;
  }
  fail("the format ", name_of(format.format), " has no groups");
}

}  // namespace

Format format_of(std::string_view name) {
  for (int i = 0; i < kFormats; ++i)
    if (name == name_of(static_cast<Format>(i))) return static_cast<Format>(i);
  fail("a format of docs/numerics.md expected, found ", name);
}

bool round_row(const RowFormat& format, std::span<float> row) {
  if (format.format == Format::bf16x2) {
    for (float& x : row) x = round_to_two_bf16(x);
    return true;
  }
  if (is_type(format.format)) {
    constexpr Type types[] = {Type::f32, Type::bf16, Type::f16};
    for (float& x : row) x = round_to(types[static_cast<size_t>(format.format)], x);
    return true;
  }
  bool finite = largest_magnitude(row) < 0x7f800000;
  if (finite && format == kInt4Contract) {
    round_to_int4(row);
  } else if (finite && format.factors > 0) {
    round_to_int4(row, static_cast<size_t>(format.group), format.factors);
  } else if (finite) {
    for_each_group(row, static_cast<size_t>(format.group), [&](Row group) { round_group(format, group); });
  }
  // Of finite values only a range beyond FP32, between two neighbours of a zero point, gives NaN.
  finite = finite && std::ranges::none_of(row, [](float x) { return std::isnan(x); });
  if (!finite) std::ranges::fill(row, std::numeric_limits<float>::quiet_NaN());
  return finite;
}

}  // namespace gpt2run::grid
