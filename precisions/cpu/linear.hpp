// Kernels::linear in the order of sums of the instruction set that the file is compiled for. GPT2RUN_CPU_DOT selects
// the order `dot`, and GPT2RUN_CPU_AMX_ORDER the order `amx`: by tiles where GPT2RUN_CPU_TILES is defined, else by
// vectors of AVX-512, else by the plain twin of tiles.
#pragma once
#include "float_mode.hpp"
#include "tile_product.hpp"

// A function that the compiler neither inlines nor looks into, so that no arithmetic crosses its calls.
#if defined(__clang__)
#define GPT2RUN_APART [[gnu::noinline]]
#else
#define GPT2RUN_APART [[gnu::noipa]]
#endif

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

#if defined(GPT2RUN_CPU_AMX_ORDER)
#if defined(GPT2RUN_CPU_TILES)
// Up to so many rows, vectors read the weights as fast as memory gives them.
constexpr int kVectorRows = 4;
#endif

#if GPT2RUN_CPU_WIDTH == 16
GPT2RUN_APART void flushed_product(const float* x, int rows, int64_t x_stride, const bf16* w, int K, int outputs,
                                   float* y, int64_t y_stride, float* workspace) {
  product<Filled>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
}
#endif

void linear(const float* x, int rows, int64_t x_stride, const bf16* w, int K, int outputs, float* y, int64_t y_stride,
            float* workspace) {
#if defined(GPT2RUN_CPU_TILES)
  if (rows > kVectorRows) return tile_product<HardwareTiles>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
#endif
#if GPT2RUN_CPU_WIDTH == 16
  const FloatMode mode(kFlushedFloats);
  flushed_product(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
#else
  tile_product<PlainTiles>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
#endif
}
#elif defined(GPT2RUN_CPU_DOT)
void linear(const float* x, int rows, int64_t x_stride, const bf16* w, int K, int outputs, float* y, int64_t y_stride,
            float* workspace) {
  product<Pairs>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
}
#else
template <class Value>
void linear(const float* x, int rows, int64_t x_stride, const Value* w, int K, int outputs, float* y, int64_t y_stride,
            float* workspace) {
  product<float>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
}
#endif

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
