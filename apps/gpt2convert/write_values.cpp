// Converts a block of rows at a time, so that a transposed tensor is also read in contiguous runs.
#include "write_values.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "common/program/interrupt.hpp"
#include "gpt2run/sdk/float16.hpp"

namespace gpt2run::convert {
namespace {

constexpr int64_t kBlockRows = 32;

// Element (row, col) without any rounding.
double exact_at(const Tensor& t, int64_t row, int64_t col) {
  if (t.type != Type::f64) return at(t, row, col);
  double value;
  const int64_t index = row * t.row_stride + col * t.col_stride;
  std::memcpy(&value, static_cast<const char*>(t.data) + index * bytes_of(Type::f64), sizeof value);
  return value;
}

// An FP32 number that a narrower type rounds as it would round `value`: inexact numbers are rounded to odd.
float to_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || std::isnan(nearest)) return nearest;
  const bool is_beyond = std::fabs(static_cast<double>(nearest)) > std::fabs(value);
  const uint32_t bits = std::bit_cast<uint32_t>(nearest) - (is_beyond ? 1 : 0);
  return std::bit_cast<float>(bits | 1);
}

// Stores element (row, col) in `type` at `to`. Throws Error when it overflows.
void convert(const Tensor& t, int64_t row, int64_t col, Type type, char* to, const std::string& name) {
  const double exact = exact_at(t, row, col);
  const float value = type == Type::f32 ? static_cast<float>(exact) : to_odd(exact);
  const float rounded = round_to(type, value);
  if (std::isfinite(exact) && std::isinf(rounded)) {
    fail("weight ", name, ": expected values that ", name_of(type), " holds, up to ", largest_of(type), ", found ",
         exact, " in row ", row, ", column ", col);
  }
  const auto store = [&](auto stored) { std::memcpy(to, &stored, sizeof stored); };
  switch (type) {
    case Type::f32:
      return store(value);
    case Type::f16:
      return store(f16_from_f32(value));
    case Type::bf16:
      return store(bf16_from_f32(value));
    default:
      fail_type(type);
  }
}

// Appends the block of the values at columns `col` on.
void append_q8_0(const Tensor& t, int64_t row, int64_t col, const std::string& name, std::string& to) {
  float values[kQ8Elements], largest = 0;
  for (int i = 0; i < kQ8Elements; ++i) {
    values[i] = at(t, row, col + i);
    if (!std::isfinite(values[i]))
      fail("weight ", name, ": q8_0: expected finite values, found ", values[i], " in row ", row, ", column ", col + i);
    largest = std::max(largest, std::fabs(values[i]));
  }
  const float scale = largest / 127;
  const uint16_t stored = f16_from_f32(scale);
  if (std::isinf(f32_from_f16(stored)))
    fail("weight ", name, ": expected values that q8_0 holds, up to ", 127 * largest_of(Type::f16), ", found ", largest,
         " in row ", row);
  // A scale so small that its inverse overflows is stored as zero, and so are its values.
  const float inverse = scale > 0 && std::isfinite(1 / scale) ? 1 / scale : 0;
  to.append(reinterpret_cast<const char*>(&stored), sizeof stored);
  for (const float value : values) to.push_back(static_cast<char>(static_cast<int8_t>(std::round(value * inverse))));
}

}  // namespace

void write_q8_0(OutputFile& file, const Tensor& t, const std::string& name) {
  if (t.cols % kQ8Elements)
    fail("weight ", name, ": q8_0: expected rows of a multiple of ", kQ8Elements, " values, found ", t.cols);
  std::string line;
  for (int64_t row = 0; row < t.rows; ++row) {
    if (interrupted()) fail("interrupted while ", name, " was written to ", file.path());
    line.clear();
    for (int64_t col = 0; col < t.cols; col += kQ8Elements) append_q8_0(t, row, col, name, line);
    file.write(line);
  }
}

void write_values(OutputFile& file, const Tensor& t, Type type, const std::string& name, Orientation orientation) {
  const bool turned = orientation == Orientation::in_out;
  const int64_t lines = turned ? t.cols : t.rows, length = turned ? t.rows : t.cols;
  const int64_t size = bytes_of(type);
  std::string block;
  for (int64_t begin = 0; begin < lines; begin += kBlockRows) {
    if (interrupted()) fail("interrupted while ", name, " was written to ", file.path());
    const int64_t count = std::min(kBlockRows, lines - begin);
    block.resize(static_cast<size_t>(count * length * size));
    const auto move = [&](int64_t line, int64_t i) {
      const int64_t row = turned ? i : begin + line, col = turned ? begin + line : i;
      char* to = block.data() + (line * length + i) * size;
      const int64_t from = row * t.row_stride + col * t.col_stride;
      if (t.type == type)
        std::memcpy(to, static_cast<const char*>(t.data) + from * size, static_cast<size_t>(size));
      else
        convert(t, row, col, type, to, name);
    };
    if ((turned ? t.row_stride : t.col_stride) == 1) {
      for (int64_t line = 0; line < count; ++line)
        for (int64_t i = 0; i < length; ++i) move(line, i);
    } else {
      for (int64_t i = 0; i < length; ++i)
        for (int64_t line = 0; line < count; ++line) move(line, i);
    }
    file.write(block);
  }
}

std::string shown_name(Weight weight, int layer) {
  const std::string name = name_of(weight);
  return is_per_layer(weight) ? name + " of layer " + std::to_string(layer) : name;
}

}  // namespace gpt2run::convert
