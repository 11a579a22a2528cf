// Rounds rows to the formats of the grid.
#include "row_formats.hpp"

#include <algorithm>
#include <limits>
#include <vector>

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

// value = scale x (code - zero point), with codes from 0 to `most`.
void round_with_zero(Row row, int most) {
  const float least = std::min(0.0f, *std::ranges::min_element(row));
  const float greatest = std::max(0.0f, *std::ranges::max_element(row));
  const float step = (greatest - least) / static_cast<float>(most);
  const float scale = step < kLeastScaled ? 0 : rounded_up_to_16_bits(step);
  const int zero = scale > 0 ? std::clamp(nearest_even(-least / scale), 0, most) : 0;
  for (float& x : row) {
    const int code = scale > 0 ? std::clamp(nearest_even(x / scale) + zero, 0, most) : 0;
    x = scale * static_cast<float>(code - zero);
  }
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
      return format.zero ? round_with_zero(row, 255) : round_to_q8(row);
    case Format::int4:
      if (format.zero) return round_with_zero(row, kMostInt4);
      return round_scaled(row, 7, [](float x) { return static_cast<float>(nearest_even(x)); });
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
  if (is_type(format.format)) {
    constexpr Type types[] = {Type::f32, Type::bf16, Type::f16};
    for (float& x : row) x = round_to(types[static_cast<size_t>(format.format)], x);
    return true;
  }
  bool finite = largest_magnitude(row) < 0x7f800000;
  if (finite && format.format == Format::int4 && format.zero && format.group == kInt4Group) {
    round_to_int4(row);
  } else if (finite) {
    for_each_group(row, static_cast<size_t>(format.group), [&](Row group) { round_group(format, group); });
  }
  // Of finite values only a range beyond FP32, between two neighbours of a zero point, gives NaN.
  finite = finite && std::ranges::none_of(row, [](float x) { return std::isnan(x); });
  if (!finite) std::ranges::fill(row, std::numeric_limits<float>::quiet_NaN());
  return finite;
}

}  // namespace gpt2run::grid
