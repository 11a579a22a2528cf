// How fast this machine multiplies and adds: the limit of every prefill, whose weights are used by many rows.
#pragma once
#include <string_view>

#include "gpt2run/loader.hpp"

namespace gpt2run {

// What a product is made of. FP16 is multiplied and added in FP32 by its contract (docs/numerics.md), so FP32 is its
// limit; BF16 too where the machine has no dot products of two of them.
enum class Arithmetic : uint8_t { fp32, bf16_dot };

constexpr const char* name_of(Arithmetic arithmetic) { return arithmetic == Arithmetic::fp32 ? "fp32" : "bf16_dot"; }

// The fastest that this machine has for a type, which is fp32, fp16 or bf16.
Arithmetic arithmetic_for(std::string_view type);

// Floating-point operations per second of `threads` threads on numbers that stay in registers, for some milliseconds,
// with the widest instructions of the machine; a multiply-add is two operations.
double compute_rate(Arithmetic arithmetic, int threads);

// Operations of one row of a prefill, in the mean over its `rows`, of which the last one alone has logits:
//   2 x weights of the layers' matrices + 4 L C x (rows + 1) / 2 + 2 V C / rows
// The second term is attention: each row sees itself and those before it, and takes a multiply-add per channel for the
// score of a position and one for its value. Layernorm, softmax and GELU are not counted.
double operations_per_row(const ModelConfig& config, int32_t rows);

}  // namespace gpt2run
