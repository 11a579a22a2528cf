// The kernels of the CPU precisions: one table per storage type and instruction set. The same source (kernels.cpp) is
// compiled once for each set; everything else of this folder is compiled for the plain machine.
// Kernels keep the rounding contract of docs/numerics.md: a Value is read as FP32, sums are FP32 or more, and what is
// "rounded" below is rounded to Value, to nearest even. The bits of every output depend on its own inputs and on the
// lengths K, C, D and `length` only: never on the rows or outputs computed beside it.
// Ownership: none; pointers need the alignment of their element only. Threads: pure functions. Errors: none.
#pragma once
#include <string_view>

#include "packed.hpp"

namespace gpt2run::cpu {

// avx512bf16: as avx512, with dot products of BF16. It is a set of its own because its bits differ (docs/numerics.md).
enum class Isa : uint8_t { portable, avx2, avx512, avx512bf16 };
inline constexpr const char* kIsaNames[] = {"portable", "avx2", "avx512", "avx512bf16"};
inline constexpr int kIsas = 4;

template <class Value>
struct Kernels {
  Isa isa;  // that these were compiled for

  // out (C) = rounded layernorm of x (C)
  void (*norm)(const float* x, const float* gain, const float* bias, int C, float epsilon, float* out);

  // y (rows, outputs) = x (rows, K) times w, whose panels begin here (packed.hpp); rows of x and y are x_stride and
  // y_stride apart. x holds values of Value. room: product_room(rows, K) floats
  void (*linear)(const float* x, int rows, int64_t x_stride, const Value* w, int K, int outputs, float* y,
                 int64_t y_stride, float* workspace);

  // Up to kQueries queries of one head, at successive positions: query r sees length + r positions.
  // out (rows, D) = rounded softmax(q k / sqrt(D)) v; rows of q and out are `stride` apart; keys: packed, positions
  // being the outputs; values: (positions, D); scores: rows of padded(positions, kPanel), scores_stride apart; room: as
  // above for K = D
  void (*attention)(const float* q, int rows, int64_t stride, const Value* keys, const Value* values, int D, int length,
                    float* scores, int64_t scores_stride, float* out, float* workspace);

  void (*round)(const float* y, const float* bias, int n, float* out);     // out = rounded y + bias
  void (*store)(const float* y, const float* bias, int n, Value* out);     // out = rounded y + bias, stored
  void (*gelu)(const float* y, const float* bias, int n, float* out);      // out = rounded GELU(y + bias)
  void (*accumulate)(const float* y, const float* bias, int n, float* x);  // x += y + bias
};

inline constexpr int kQueries = 6;

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

namespace avx512bf16 {
template <class Value>
const Kernels<Value>& kernels();
}

// The order of sums that a set's kernels keep, by its name in docs/numerics.md.
constexpr const char* order_of(Isa isa) { return isa == Isa::avx512bf16 ? "dot" : "ascending"; }

// True when this build has the kernels and this machine can run them.
bool runs(Isa);

// True when the set has kernels of its own for a type.
constexpr bool serves(Isa isa, Type type) { return isa != Isa::avx512bf16 || type == Type::bf16; }

// By its name; `auto` is the last one that runs and serves the type. Throws Error naming a set that does not run.
Isa choose_isa(std::string_view name, Type type);

template <class Value>
const Kernels<Value>& kernels_of(Isa isa) {
#ifdef GPT2RUN_CPU_X86
  if constexpr (std::is_same_v<Value, bf16>) {
    if (isa == Isa::avx512bf16) return avx512bf16::kernels<Value>();
  }
  if (isa == Isa::avx512) return avx512::kernels<Value>();
  if (isa == Isa::avx2) return avx2::kernels<Value>();
#endif
  (void)isa;
  return portable::kernels<Value>();
}

}  // namespace gpt2run::cpu
