// How the values of a row are rounded to a number format: each by itself, or in groups that share a scale.
// docs/numerics.md defines every format.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace gpt2run::grid {

enum class Format : uint8_t { fp32, bf16, fp16, bf16x2, int8, int4, e4m3, e5m2, mxfp4, nf4 };
inline constexpr int kFormats = 10;

constexpr const char* name_of(Format format) {
  constexpr const char* names[kFormats] = {"fp32", "bf16", "fp16", "bf16x2", "int8",
                                           "int4", "e4m3", "e5m2", "mxfp4",  "nf4"};
  return names[static_cast<size_t>(format)];
}

// The format of a name. Throws Error for another name.
Format format_of(std::string_view name);

// True for formats that round every value by itself.
constexpr bool is_type(Format format) { return format <= Format::bf16x2; }
constexpr bool is_integer(Format format) { return format == Format::int8 || format == Format::int4; }

// What stands for 0 in int8 and int4: nothing, as codes have a sign; a zero point, which is a code; or the least value
// of the group, in FP32, to which codes count.
enum class Zero : uint8_t { off, on, least };

constexpr const char* name_of(Zero zero) {
  constexpr const char* names[] = {"off", "on", "least"};
  return names[static_cast<size_t>(zero)];
}

struct RowFormat {
  Format format = Format::fp32;
  int group = 0;  // values that share a scale, 0: the whole row; mxfp4 and nf4: 32 and 64
  Zero zero = Zero::off;
  int factors = 0;  // int4 with a zero point: a group's scale is the row's times an integer up to this; 0: is its own

  bool operator==(const RowFormat&) const = default;
};

// The weights of cpu-int4.
inline constexpr RowFormat kInt4Contract{Format::int4, 32, Zero::on, 8};

// Rounds a row in place. Returns false if the format has scales and the row holds infinity or NaN: then all its values
// become NaN.
bool round_row(const RowFormat& format, std::span<float> row);

}  // namespace gpt2run::grid
