// The peak arithmetic rate of this machine. It limits prefill, in which many rows share each read of the weights.
#pragma once
#include <string_view>

#include "gpt2run/loader.hpp"

namespace gpt2run {

// The instructions of which matrix products consist. FP16 is multiplied and added in FP32 by its rounding contract
// (docs/numerics.md), so its limit is that of FP32. The same holds for BF16 on a machine without BF16 dot products, and
// 8 and 4 bits are multiplied as INT8. Tiles are those of AMX.
enum class Arithmetic : uint8_t { fp32, bf16_dot, int8_dot, bf16_tile, int8_tile };

constexpr const char* name_of(Arithmetic arithmetic) {
  constexpr const char* names[] = {"fp32", "bf16_dot", "int8_dot", "bf16_tile", "int8_tile"};
  return names[static_cast<size_t>(arithmetic)];
}

// The fastest arithmetic that this machine has for a type: fp32, fp16, bf16, int8 or int4. Asks the system for the use
// of tiles.
Arithmetic arithmetic_for(std::string_view type);

// Measures the operations per second of `threads` threads for some milliseconds. The widest instructions of the machine
// work on random values in registers: some processors are faster with zeros. A multiply-add counts as two operations.
double compute_rate(Arithmetic arithmetic, int threads);

// The operations per row of a prefill, as the mean over its `rows`, of which only the last one has logits:
//   2 x weights of the layers' matrices + 4 L C x (rows + 1) / 2 + 2 V C / rows
// The second term is attention: each row attends to itself and those before it, with one multiply-add per channel and
// position for the score and another for the value. Layernorm, softmax and GELU are not counted.
double operations_per_row(const ModelConfig& config, int32_t rows);

}  // namespace gpt2run
