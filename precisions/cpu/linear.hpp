// Kernels::linear in the order of sums of the instruction set that the file is compiled for. GPT2RUN_CPU_DOT selects
// the order `dot`, and GPT2RUN_CPU_AMX_ORDER those of tiles, which are `amx`, `amx-4` and `amx-split`: by tiles where
// GPT2RUN_CPU_TILES is defined, else by vectors of AVX-512, else by the plain twin of tiles.
#pragma once
#include "float_mode.hpp"
#include "tile_product.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

#if defined(GPT2RUN_CPU_AMX_ORDER)
// Whether tiles compute a product of so many rows, and not vectors, which read the weights of few rows as fast as
// memory gives them.
#if defined(GPT2RUN_CPU_TILES)
using OwnTiles = HardwareTiles;
constexpr bool by_tiles(int rows) { return rows > 4; }
#else
using OwnTiles = PlainTiles;
constexpr bool by_tiles(int) { return kWidth < kLanes; }
#endif

GPT2RUN_APART void flushed_product(const float* x, int rows, int64_t x_stride, const bf16* w, int K, int outputs,
                                   float* y, int64_t y_stride, float* workspace) {
  product<Filled>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
}
GPT2RUN_APART void flushed_product(const float* x, int rows, int64_t x_stride, const float* w, int K, int outputs,
                                   float* y, int64_t y_stride, float* workspace) {
  product<Split>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
}

void linear(const float* x, int rows, int64_t x_stride, const bf16* w, int K, int outputs, float* y, int64_t y_stride,
            float* workspace) {
  if (by_tiles(rows)) return tile_product<OwnTiles>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
  const FloatMode mode(kFlushedFloats);
  flushed_product(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
}

// y (outputs of one panel) = x (K) w in the order `ascending`, with weights in the layout of tiles.
template <class Value>
void ascending_panel(const float* x, const Value* w, int K, int outputs, float* y) {
  for (int o = 0; o < outputs; o += kLanes) {
    Floats total = {};
    for (int first = 0; first < K; first += kBlock) {
      Floats sum = {};
      for (int k = first; k < least(first + kBlock, K); ++k) {
        Value weights[kLanes];
        for (int i = 0; i < kLanes; ++i) weights[i] = w[TileLayout::at(o + i, k, K)];
        const Floats own = load(weights), input = splat16(x[k]);
        if constexpr (std::is_same_v<Value, float>)
          sum = fma(input, own, sum);
        else
          for (int i = 0; i < kParts; ++i) sum.part[i] = fma16(input.part[i], own.part[i], sum.part[i]);
      }
      total = first == 0 ? sum : total + sum;
    }
    store(y + o, total, outputs - o);
  }
}

// Takes the order `ascending` for rows and panels in which the product of parts gave a NaN. The low part of
// infinity is NaN. So a row with an infinity gives NaN everywhere, and a weight that is infinite gives NaN in its
// output. Finite values of FP16 never do; those of FP32 do where a sum overflows to both sides.
template <class Value>
GPT2RUN_APART void take_ascending(const float* x, int rows, int64_t x_stride, const Value* w, int K, int outputs,
                                  float* y, int64_t y_stride) {
  for (int r = 0; r < rows; ++r) {
    for (int o = 0; o < outputs; o += kTilePanel) {
      float* own = y + r * y_stride + o;
      const int count = least(kTilePanel, outputs - o);
      int nan = 0;
      for (int i = 0; i < count; ++i) nan |= own[i] != own[i];
      if (nan) ascending_panel(x + r * x_stride, w + TileLayout::at(o, 0, K), K, count, own);
    }
  }
}

// The order `amx-4`.
void linear(const float* x, int rows, int64_t x_stride, const f16* w, int K, int outputs, float* y, int64_t y_stride,
            float* workspace) {
  if (by_tiles(rows))
    tile_product<OwnTiles>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
  else
    product<Split>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
  take_ascending(x, rows, x_stride, w, K, outputs, y, y_stride);
}

// The order `amx-split`.
void linear(const float* x, int rows, int64_t x_stride, const float* w, int K, int outputs, float* y, int64_t y_stride,
            float* workspace) {
  if (by_tiles(rows)) {
    tile_product<OwnTiles>(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
  } else {
    const FloatMode mode(kFlushedFloats);
    flushed_product(x, rows, x_stride, w, K, outputs, y, y_stride, workspace);
  }
  take_ascending(x, rows, x_stride, w, K, outputs, y, y_stride);
}

// Scores of attention, as Kernels::linear but for the layout, which is that of keys. In FP16 they are `ascending`, and
// so are those of FP32.
void score(const float* q, int rows, int64_t stride, const bf16* keys, int D, int positions, float* scores,
           int64_t scores_stride, float* workspace) {
  linear(q, rows, stride, keys, D, positions, scores, scores_stride, workspace);
}
void score(const float* q, int rows, int64_t stride, const f16* keys, int D, int positions, float* scores,
           int64_t scores_stride, float* workspace) {
  product<Typed>(q, rows, stride, keys, D, positions, scores, scores_stride, workspace);
}
void score(const float* q, int rows, int64_t stride, const float* keys, int D, int positions, float* scores,
           int64_t scores_stride, float* workspace) {
  product<float>(q, rows, stride, keys, D, positions, scores, scores_stride, workspace);
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
  product<std::conditional_t<std::is_same_v<Value, float>, float, Typed> >(x, rows, x_stride, w, K, outputs, y,
                                                                           y_stride, workspace);
}
#endif

#if !defined(GPT2RUN_CPU_AMX_ORDER)
template <class Value>
void score(const float* q, int rows, int64_t stride, const Value* keys, int D, int positions, float* scores,
           int64_t scores_stride, float* workspace) {
  linear(q, rows, stride, keys, D, positions, scores, scores_stride, workspace);
}
#endif

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
