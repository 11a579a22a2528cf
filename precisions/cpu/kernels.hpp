// The kernels of the CPU precisions, as one table per storage type and instruction set. The same source (kernels.cpp)
// is compiled once for each set; everything else in this folder is compiled for the baseline machine. Kernels keep the
// rounding contract of docs/numerics.md. A Value is read as FP32, sums are FP32 or wider, and "rounded" below means
// rounded to Value, to nearest, ties to even. FP32 in sets that read tiles is the contract of two BF16 values
// (../common/two_bf16.hpp): norm, attention and activate round to that format, and inputs and weights of linear are
// values of it. The bits of an output depend only on its own inputs and on the lengths K,
// C, D and `length`, never on the rows or outputs that are computed with it. Kernels own nothing. Pointers need only
// the alignment of their elements. Kernels are pure functions, may run on any thread, and have no errors.
#pragma once
#include "isa.hpp"
#include "packed.hpp"

namespace gpt2run::cpu {

template <class Value>
struct Kernels {
  Isa isa;      // the set that the kernels were compiled for
  int queries;  // the most that `attention` takes at once, up to kMostQueries

  // out (C) = rounded layernorm of x (C)
  void (*norm)(const float* x, const float* gain, const float* bias, int C, float epsilon, float* out);

  // y (rows, outputs) = x (rows, K) times w, where w points to the first panel of the outputs. Rows of x and y are
  // x_stride and y_stride apart. x holds values of Value. The layout and the size of the workspace are those of the
  // set's packing: VectorPacking, or TilePacking where reads_tiles(isa).
  void (*linear)(const float* x, int rows, int64_t x_stride, const Value* w, int K, int outputs, float* y,
                 int64_t y_stride, float* workspace);

  // Attention of up to `queries` queries of one head at successive positions; query r attends to length + r positions.
  //   out (rows, D) = rounded softmax(scale q k) v
  //   q, out: rows are `stride` apart.
  //   keys: packed in the packing's layout for keys, with positions as outputs.
  //   values: (positions, D).
  //   scores: scratch rows of padded(positions, kPanel) floats, scores_stride apart.
  //   workspace: as for linear, with K = D.
  void (*attention)(const float* q, int rows, int64_t stride, const Value* keys, const Value* values, int D,
                    float scale, int length, float* scores, int64_t scores_stride, float* out, float* workspace);
  // The same, but out is not rounded, and q holds any FP32 values. Null in sets of another order than `ascending`.
  void (*attention_unrounded)(const float* q, int rows, int64_t stride, const Value* keys, const Value* values, int D,
                              float scale, int length, float* scores, int64_t scores_stride, float* out,
                              float* workspace);

  void (*round)(const float* y, const float* bias, int n, float* out);  // out = rounded y + bias
  void (*store)(const float* y, const float* bias, int n, Value* out);  // out = rounded y + bias, stored
  // out = rounded f(y + bias), where f is the activation function whose number is the index.
  void (*activate[kActivationCount])(const float* y, const float* bias, int n, float* out);
  void (*accumulate)(const float* y, const float* bias, int n, float* x);  // x += y + bias
};

inline constexpr int kQueries = 6, kMostQueries = 16;

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
namespace portable_amx_order {
template <class Value>
const Kernels<Value>& kernels();
}
namespace avx512_amx_order {
template <class Value>
const Kernels<Value>& kernels();
}
namespace amx {
template <class Value>
const Kernels<Value>& kernels();
}

// The kernels of a set that serves the type.
template <class Value>
const Kernels<Value>& kernels_of(Isa isa) {
  if (isa == Isa::portable_amx_order) return portable_amx_order::kernels<Value>();
#ifdef GPT2RUN_CPU_X86
  if (isa == Isa::amx) return amx::kernels<Value>();
  if (isa == Isa::avx512_amx_order) return avx512_amx_order::kernels<Value>();
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
