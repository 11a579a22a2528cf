// The kernels of the CPU precisions: one table per storage type and instruction set. The same source (kernels.cpp) is
// compiled once for each set; everything else of this folder is compiled for the plain machine.
// Kernels keep the rounding contract of docs/numerics.md: a Value is read as FP32, sums are FP32 or more, and what is
// "rounded" below is rounded to Value, to nearest even. The bits of every output depend on its own inputs and on the
// lengths K, C, D and `length` only: never on the rows or outputs computed beside it.
// Ownership: none; pointers need the alignment of their element only. Threads: pure functions. Errors: none.
#pragma once
#include <string_view>

#include "gpt2run/numeric.hpp"

namespace gpt2run::cpu {

template <class Value>
struct Kernels {
  // out (C) = token (C) + position (C)
  void (*embed)(const Value* token, const Value* position, int C, float* out);

  // out (C) = rounded layernorm of x (C)
  void (*norm)(const float* x, const float* gain, const float* bias, int C, float epsilon, float* out);

  // y (rows, outputs) = x (rows, K) w (outputs, K) transposed; rows of y are y_stride apart, w has no gaps
  void (*linear)(const float* x, int rows, const Value* w, int K, int outputs, float* y, int64_t y_stride);

  // One query of one head: out (D) = rounded softmax(q k / sqrt(D)) v; keys, values: (length, D); scores: room for
  // padded(length)
  void (*attention)(const float* q, const Value* keys, const Value* values, int D, int length, float* scores,
                    float* out);

  void (*round)(const float* y, const float* bias, int n, float* out);     // out = rounded y + bias
  void (*store)(const float* y, const float* bias, int n, Value* out);     // out = rounded y + bias, stored
  void (*gelu)(const float* y, const float* bias, int n, float* out);      // out = rounded GELU(y + bias)
  void (*accumulate)(const float* y, const float* bias, int n, float* x);  // x += y + bias
};

// Scores are worked on 16 at a time.
constexpr int padded(int length) { return (length + 15) / 16 * 16; }

namespace portable {
template <class Value>
const Kernels<Value>& kernels();
}
namespace avx2 {
template <class Value>
const Kernels<Value>& kernels();
}
namespace avx512 {
template <class Value>
const Kernels<Value>& kernels();
}

enum class Isa : uint8_t { portable, avx2, avx512 };
inline constexpr const char* kIsaNames[] = {"portable", "avx2", "avx512"};

// True when this build has the kernels and this machine can run them.
bool runs(Isa);

// By its name; `auto` is the widest that runs. Throws Error naming a set that does not run.
Isa choose_isa(std::string_view name);

template <class Value>
const Kernels<Value>& kernels_of(Isa isa) {
#ifdef GPT2RUN_CPU_X86
  if (isa == Isa::avx512) return avx512::kernels<Value>();
  if (isa == Isa::avx2) return avx2::kernels<Value>();
#endif
  (void)isa;
  return portable::kernels<Value>();
}

}  // namespace gpt2run::cpu
