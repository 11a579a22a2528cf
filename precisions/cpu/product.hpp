// Products by a packed matrix (packed.hpp) for the instruction set that the file is compiled for. An output is a sum
// over K ascending in blocks of kBlock: the products of a block one after another from zero, then the blocks one after
// another. That is all its bits depend on: one row and five hundred, and every blocking below, give the same.
#pragma once
#include "packed.hpp"
#include "vector.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

constexpr int kBlock = 64;  // short sums lose little; a panel's block stays in the first-level cache for all rows

// Rows and registers of outputs that are summed at a time: as many as there are registers for.
constexpr int kRows = kWidth == 4 ? 3 : 6, kVectors = kWidth == 16 ? 4 : 2;
constexpr int kSingleVectors = kWidth == 16 ? 4 : kWidth == 8 ? 8 : 4;  // a row alone
constexpr int kGroup = 48;  // rows that a block of weights is kept in the cache for
static_assert(kGroup % kRows == 0, "the tiles of all rows are those of their groups");
static_assert(kSegment % kBlock == 0, "a segment ends where a block does, or sums depend on the number of rows");
static_assert(kRows <= kFewRows, "rows that are not cut into segments have room");

GPT2RUN_INLINE int least(int a, int b) { return a < b ? a : b; }

// f.operator()<rows>() for 1 to kRows rows.
template <int kMost, class F>
GPT2RUN_INLINE void with_rows(int rows, const F& f) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return with_rows<kMost - 1>(rows, f);
  }
  f.template operator()<kMost>();
}

// A row alone waits for memory, and where values must be widened the processor does not look far enough ahead by
// itself: FP16 then reads at 0.8 to 0.9 of what plain reading gives, and nearly all of it when `bytes` are asked for
// this early.
constexpr int kAhead = 8192, kLine = 64;
GPT2RUN_INLINE void prefetch(uintptr_t first, int bytes) {
  for (int i = 0; i < bytes; i += kLine) __builtin_prefetch(reinterpret_cast<const void*>(first + i));
}
template <int kR, class Value>
GPT2RUN_INLINE void prefetch_ahead(const Value* at, int bytes) {
  if constexpr (kR == 1 && sizeof(Value) == 2)  // may lie behind the end: nothing is read there
    prefetch(reinterpret_cast<uintptr_t>(at) + kAhead, bytes);
}

// The weights of one k (two for BF16) to kV registers of outputs; `at` is the first of them.
template <int kR, int kV, class Value>
GPT2RUN_INLINE void multiply(const float* x, int64_t x_stride, const Value* at, Vector (&total)[kR][kV]) {
  prefetch_ahead<kR>(at, kV * kWidth * sizeof(Value));
  for (int v = 0; v < kV; ++v) {
    const Vector weight = load_vector(at + v * kWidth);
    for (int r = 0; r < kR; ++r) total[r][v] = fma(splat(x[r * x_stride]), weight, total[r][v]);
  }
}
template <int kR, int kV>
GPT2RUN_INLINE void multiply(const float* x, int64_t x_stride, const bf16* at, bool both, Vector (&total)[kR][kV]) {
  prefetch_ahead<kR>(at, 2 * kV * kWidth * sizeof(bf16));
  for (int v = 0; v < kV; ++v) {
    Bits pair;
    __builtin_memcpy(&pair, at + v * kWidth * 2, sizeof pair);
    const Vector first = (Vector)(pair << 16), second = (Vector)(pair & 0xffff0000);
    for (int r = 0; r < kR; ++r) {
      total[r][v] = fma(splat(x[r * x_stride]), first, total[r][v]);
      if (both) total[r][v] = fma(splat(x[r * x_stride + 1]), second, total[r][v]);
    }
  }
}

template <int kR, int kV, class Value>
GPT2RUN_INLINE void add_products(const float* x, int64_t x_stride, const Value* w, int K, Vector (&total)[kR][kV]) {
  if constexpr (kPair<Value> == 1) {
    for (int k = 0; k < K; ++k) multiply(x + k, x_stride, w + k * kPanel, total);
  } else {
    int k = 0;
    for (; k + 1 < K; k += 2) multiply(x + k, x_stride, w + k * kPanel, true, total);
    if (k < K) multiply(x + k, x_stride, w + k * kPanel, false, total);
  }
}

// What a product reads its inputs as: for dot products two BF16 of successive k, the last alone with a zero.
struct Pairs {
  uint32_t bits;
};
template <class Input>
constexpr int kInputs = std::is_same_v<Input, Pairs> ? 2 : 1;  // of k in one Input

// x (K) to where the product reads it.
GPT2RUN_INLINE void pack_inputs(const float* x, int K, float* out) { __builtin_memcpy(out, x, K * sizeof(float)); }

#if defined(GPT2RUN_CPU_DOT)
GPT2RUN_INLINE void pack_inputs(const float* x, int K,
                                Pairs* out) {  // values of BF16: their upper halves are all of them
  typedef uint16_t Shorts __attribute__((vector_size(64)));
  Shorts upper;
  for (int i = 0; i < 2 * kLanes; ++i) upper[i] = static_cast<uint16_t>(2 * i + 1);
  int k = 0;
  for (; k + 2 * kLanes <= K; k += 2 * kLanes) {
    const __m512i first = _mm512_loadu_si512(x + k), second = _mm512_loadu_si512(x + k + kLanes);
    _mm512_storeu_si512(out + k / 2, _mm512_permutex2var_epi16(first, (__m512i)upper, second));
  }
  for (; k < K; k += 2) {
    uint32_t first, second = 0;
    __builtin_memcpy(&first, x + k, sizeof first);
    if (k + 1 < K) __builtin_memcpy(&second, x + k + 1, sizeof second);
    out[k / 2].bits = first >> 16 | (second & 0xffff0000);
  }
}

template <int kR, int kV>
GPT2RUN_INLINE void add_products(const Pairs* x, int64_t x_stride, const bf16* w, int K, Vector (&total)[kR][kV]) {
  for (int k = 0; k < (K + 1) / 2; ++k) {
    prefetch_ahead<kR>(w + int64_t(k) * kPanel * 2, 2 * kV * kWidth * sizeof(bf16));
    for (int v = 0; v < kV; ++v) {
      const __m512i weight = _mm512_loadu_si512(w + (int64_t(k) * kPanel + v * kWidth) * 2);
      for (int r = 0; r < kR; ++r) {
        const __m512i both = _mm512_set1_epi32(static_cast<int>(x[r * x_stride + k].bits));
        total[r][v] = (Vector)_mm512_dpbf16_ps((__m512)total[r][v], (__m512bh)both, (__m512bh)weight);
      }
    }
  }
}
#endif

// Sums of a panel, where they come from or go to: rows `stride` apart.
template <class Float>
struct Sums {
  Float* at;  // null: zero
  int64_t stride;
  Sums from(int row) const { return {at ? at + row * stride : at, stride}; }
};

// One block of K for kR rows and a whole panel: after = before + the products.
template <int kR, int kV, class Input, class Value>
GPT2RUN_INLINE void block(const Input* x, int64_t x_stride, const Value* w, int K, Sums<const float> before,
                          Sums<float> after) {
  for (int o = 0; o < kPanel; o += kV * kWidth) {
    Vector total[kR][kV];  // unrolled, so that it never lies in memory
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kV; ++v) total[r][v] = Vector{};
    }
    add_products(x, x_stride, w + o * kPair<Value>, K, total);
    if (before.at) {
#pragma GCC unroll 8
      for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < kV; ++v)
          total[r][v] = load_vector(before.at + r * before.stride + o + v * kWidth) + total[r][v];
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kV; ++v) store_vector(after.at + r * after.stride + o + v * kWidth, total[r][v]);
    }
  }
}

// Memory from `at` to `end` that is wanted soon, prefetched a little with each tile: all at once would hold up what is
// wanted now.
struct Ahead {
  uintptr_t at, end;
  int bytes;
  void ask() {
    const int part = least(bytes, static_cast<int>(end - at));
    prefetch(at, part);
    at += part;
  }
};

// `length` of K for up to kGroup rows and a panel of which `outputs` are there: y = (first) or += x w. Block after
// block for all of these rows: a block of weights, the rows' inputs and their sums stay in the first-level cache, and y
// is read and written once.
template <class Input, class Value>
GPT2RUN_INLINE void group(const Input* x, int rows, int64_t x_stride, const Value* w, int length, bool first,
                          int outputs, Sums<float> y, Ahead& ahead) {
  alignas(64) float workspace[kGroup * kPanel];
  const Sums<float> scratch{workspace, kPanel};
  const bool whole = outputs == kPanel;
  for (int r = 0; r < rows && !whole && !first; ++r)
    __builtin_memcpy(scratch.from(r).at, y.from(r).at, outputs * sizeof(float));
  for (int k = 0; k < length; k += kBlock) {
    const Sums<float> after = whole && k + kBlock >= length ? y : scratch;
    Sums<const float> before{scratch.at, scratch.stride};
    if (k == 0 && whole) before = {y.at, y.stride};
    if (k == 0 && first) before.at = nullptr;
    for (int r = 0; r < rows; r += kRows) {
      with_rows<kRows>(least(kRows, rows - r), [&]<int kR>() {
        constexpr int kV = kR == 1 ? kSingleVectors : kVectors;
        ahead.ask();
        for (int own = r; k == 0 && whole && own < r + kR; ++own)
          prefetch(reinterpret_cast<uintptr_t>(y.from(own).at), kPanel * sizeof(float));
        block<kR, kV>(x + r * x_stride + k / kInputs<Input>, x_stride, w + int64_t(k) * kPanel,
                      least(kBlock, length - k), before.from(r), after.from(r));
      });
    }
  }
  for (int r = 0; r < rows && !whole; ++r) __builtin_memcpy(y.from(r).at, scratch.from(r).at, outputs * sizeof(float));
}

// The block of a panel in FP32, for many rows: converted once instead of once for every few of them.
template <class Value>
GPT2RUN_INLINE void widen(const Value* w, int K, float* out) {
  if constexpr (kPair<Value> == 1) {
    for (int i = 0; i < K * kPanel; i += kWidth) store_vector(out + i, load_vector(w + i));
  } else {
    for (int k = 0; k < K; k += 2) {
      for (int o = 0; o < kPanel; o += kWidth) {
        Bits pair;
        __builtin_memcpy(&pair, w + (k * kPanel + o * 2), sizeof pair);
        store_vector(out + k * kPanel + o, (Vector)(pair << 16));
        if (k + 1 < K) store_vector(out + (k + 1) * kPanel + o, (Vector)(pair & 0xffff0000));
      }
    }
  }
}

// `length` of K of one panel: y = (first) or += x w. x: (rows, length); next: the weights that are wanted after these,
// if there are any; wide: (kSegment, kPanel) to work in.
template <class Input, class Value>
void panel(const Input* x, int rows, int64_t x_stride, const Value* w, int length, uintptr_t next, bool first,
           int outputs, Sums<float> y, [[maybe_unused]] float* wide) {
  constexpr bool kWiden = sizeof(Value) == 2 && kInputs<Input> == 1;
  const int bytes = rows > kRows ? length * kPanel * static_cast<int>(sizeof(Value)) : 0;
  const int tiles = padded(rows, kRows) / kRows * (padded(length, kBlock) / kBlock);
  Ahead ahead{next, next + bytes, padded((bytes + tiles - 1) / tiles, kLine)};
  const auto groups = [&](const auto* weights) {
    for (int r = 0; r < rows; r += kGroup)
      group(x + r * x_stride, least(kGroup, rows - r), x_stride, weights, length, first, outputs, y.from(r), ahead);
  };
  if constexpr (kWiden) {
    if (rows > kRows) {
      widen(w, length, wide);
      return groups(static_cast<const float*>(wide));
    }
  }
  groups(w);
}

// As the table's linear (kernels.hpp). Few rows: panel after panel, one stream of weights. Many: a segment of K of some
// rows is brought together, where it stays in the second-level cache while the panels pass by.
template <class Value>
void linear(const float* x, int rows, int64_t x_stride, const Value* w, int K, int outputs, float* y, int64_t y_stride,
            float* workspace) {
#if defined(GPT2RUN_CPU_DOT)
  using Input = Pairs;
#else
  using Input = float;
#endif
  constexpr int kBoth = kInputs<Input>;
  auto* wide = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(workspace) + kLine - 1) / kLine * kLine);
  auto* scratch = reinterpret_cast<Input*>(workspace + kWideElements);
  const bool direct = rows <= kFewRows && kBoth == 1;
  const int most = rows <= kRows ? K : kSegment * kBoth;
  for (int from = 0; from < rows; from += kPackedRows) {
    const int count = least(kPackedRows, rows - from);
    for (int k = 0; k < K; k += most) {
      const int length = least(most, K - k);
      const float* begin = x + from * x_stride + k;
      const int64_t stride = direct ? x_stride : (length + kBoth - 1) / kBoth;
      for (int r = 0; r < count && !direct; ++r) pack_inputs(begin + r * x_stride, length, scratch + r * stride);
      const Input* inputs = direct ? reinterpret_cast<const Input*>(begin) : scratch;
      for (int o = 0; o < outputs; o += kPanel) {
        const Value* own = w + int64_t(o / kPanel) * panel_elements<Value>(K) + int64_t(k) * kPanel;
        const uintptr_t next = reinterpret_cast<uintptr_t>(own) + panel_elements<Value>(K) * sizeof(Value);
        panel(inputs, count, stride, own, length, next, k == 0, least(kPanel, outputs - o),
              Sums<float>{y + from * y_stride + o, y_stride}, wide);
      }
    }
  }
}

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
