// The option `overflow` of the precisions: what to do with weights that are too large for a 16-bit type. It is the same
// on every device.
#pragma once
#include <cmath>
#include <string>

#include "gpt2run/sdk/float16.hpp"

namespace gpt2run {

// What to do with a finite weight that would round to infinity: throw Error naming its tensor, or use the type's
// largest value.
enum class Overflow : uint8_t { error, saturate };

inline constexpr OptionSpec kOverflowOption = {"overflow", "enum", "error", "error|saturate",
                                               "a weight beyond the type: refuse the model, or clamp the weight"};

// Throws Error with the number of such weights and the largest of them.
[[noreturn]] inline void refuse_overflow(Weight weight, int layer_index, const Tensor& t, Type type) {
  int64_t count = 0;
  float largest = 0;
  for (int64_t r = 0; r < t.rows; ++r) {
    for (int64_t c = 0; c < t.cols; ++c) {
      const float value = std::abs(at(t, r, c));
      if (std::isinf(value) || !std::isinf(round_to(type, value))) continue;
      largest = std::max(largest, value);
      ++count;
    }
  }
  const std::string layer = is_per_layer(weight) ? " of layer " + std::to_string(layer_index) : "";
  fail("weight ", name_of(weight), layer, ": expected values that ", name_of(type), " holds, up to ", largest_of(type),
       ", found ", count, " beyond, the largest ", largest, "; overflow=saturate clamps them, fp32 holds them");
}

}  // namespace gpt2run
