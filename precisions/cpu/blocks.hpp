// Blocks of a product by vectors (product.hpp): some rows of inputs times a block of K of one panel, for the
// instruction set that the file is compiled for. The form of the inputs decides about the order of sums
// (docs/numerics.md):
//
//   float   `ascending`: in a block of 64, products are added one by one, starting from zero
//   Typed   the same, for inputs that are values of the weights' 16-bit type
//   Pairs   `dot`: the same by the processor's dot product of BF16
//   Filled  `amx`: in a block of 32, products of even and of odd index are added up apart. The thread must flush
//           subnormals (float_mode.hpp).
//   Split   `amx-4`: FP16 inputs and weights as two BF16 values each, whose four products are added up as in `amx`.
//           `amx-split`: the same for FP32, without the product of the two low parts; the thread must flush
//           subnormals. Where inputs or weights are not finite, the result is NaN (linear.hpp).
#pragma once
#include "isa.hpp"
#include "packed.hpp"
#include "vector.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

// Short sums lose little precision, and a panel's block stays in the L1 cache for all rows.
constexpr int kBlock = 64;

// An input that is a value of the weights' 16-bit type, for whose products a machine without multiply-adds has a faster
// way. For others it is any FP32 number.
#if defined(GPT2RUN_CPU_SPLIT_FMA)
struct Typed {
  float value;
};
#else
using Typed = float;
#endif
GPT2RUN_INLINE Vector splat_of(const float* x) { return splat(*x); }
GPT2RUN_INLINE Vector multiply_add(const float*, Vector x, Vector weight, Vector total) {
  return fma(x, weight, total);
}
#if defined(GPT2RUN_CPU_SPLIT_FMA)
GPT2RUN_INLINE Vector splat_of(const Typed* x) { return splat(x->value); }
GPT2RUN_INLINE Vector multiply_add(const Typed*, Vector x, Vector weight, Vector total) {
  return fma16(x, weight, total);
}
#endif

// The inputs of a dot product: two BF16 values of successive k. A last single value is paired with zero.
struct Pairs {
  uint32_t bits;
};
// An input of the order `amx`, which are filled up with zeros to whole blocks of kTileInputs.
struct Filled {
  float value;
};
// An input of the orders `amx-4` and `amx-split`, filled up in the same way: its two parts, which are values of BF16.
struct Split {
  float low, high;
};
template <class Input>
constexpr int kInputs = std::is_same_v<Input, Pairs> ? 2 : 1;  // values of k in one Input
template <class Input>
constexpr bool kTiled = std::is_same_v<Input, Filled> || std::is_same_v<Input, Split>;
template <class Input>
constexpr int kBlockOf = kTiled<Input> ? kTileInputs : kBlock;
template <class Input>
constexpr int kPanelOf = kTiled<Input> ? kTilePanel : kPanel;
template <class Input, class Value>
using LayoutOf = std::conditional_t<kTiled<Input>, TileLayout, VectorLayout<Value>>;

// The rows and registers of outputs that are summed at the same time: as many as the registers allow.
constexpr int kRows = kWidth == 4 ? 3 : 6, kVectors = kWidth == 16 ? 4 : 2;
constexpr int kSingleVectors = kWidth == 16 ? 4 : kWidth == 8 ? 8 : 4;  // for a single row
constexpr int kGroup = 48;  // rows for which a block of weights is kept in the cache
static_assert(kGroup % kRows == 0, "the tiles of all rows are those of their groups");
static_assert(kSegment % kBlock == 0 && kSegment % kTileInputs == 0,
              "a segment ends where a block does, or sums depend on the number of rows");
static_assert(kRows <= kDirectRows && kDirectRows <= kFewRows, "rows of every number are computed in one way");
static_assert(kFewRows <= kGroup, "few rows are one group, or their weights are read twice");

// Software prefetch into the first-level cache, or the second.
constexpr int kLine = 64;
template <int kLevel = 1>
GPT2RUN_INLINE void prefetch(uintptr_t first, int bytes) {
  for (int i = 0; i < bytes; i += kLine) __builtin_prefetch(reinterpret_cast<const void*>(first + i), 0, 4 - kLevel);
}

// How far ahead weights are prefetched while others are multiplied, into which cache, and how many rows a tile has.
//
// - A single row is limited by memory. Where values must be widened, some processors do not look far enough ahead: on
//   AMD, FP16 reaches 0.8 to 0.9 of the bandwidth of plain reading without prefetch, and nearly all of it with
//   prefetches as far ahead as the table in isa.hpp says.
// - Up to kRows rows are one tile, and the processor looks far enough ahead by itself.
// - Up to kFewRows rows are several tiles, and reading takes about as long as arithmetic. The processor does not do
//   both at once by itself, since it sees a block again with each tile. With FewAhead it does, twice as fast at best.
// - More rows are limited by arithmetic. Their next weights come by the Prefetcher.
template <int kBytes, int kCacheLevel, int kMost>
struct Ahead {
  static constexpr int bytes = kBytes;  // 0: no prefetch
  static constexpr int level = kCacheLevel, rows = kMost;
};
using NotAhead = Ahead<0, 1, kRows>;
using FewAhead = Ahead<32768, 2, kRows>;
template <class Value, class How>
GPT2RUN_INLINE void prefetch_ahead(const Value* at, int bytes, How) {
  // The address may be past the end, which a prefetch allows.
  if constexpr (How::bytes > 0) prefetch<How::level>(reinterpret_cast<uintptr_t>(at) + How::bytes, bytes);
}

// A 16-bit weight that has been widened to FP32.
struct Widened {
  float value;
};
GPT2RUN_INLINE Vector load_vector(const Widened* at) { return load_vector(&at->value); }

// Multiplies by the weights of one k (two for BF16) for kV registers of outputs. at: the first of these weights.
template <int kR, int kV, class Input, class Value>
GPT2RUN_INLINE void multiply(const Input* x, int64_t x_stride, const Value* at, auto ahead, Vector (&total)[kR][kV]) {
  prefetch_ahead(at, kV * kWidth * sizeof(Value), ahead);
  for (int v = 0; v < kV; ++v) {
    const Vector weight = load_vector(at + v * kWidth);
    for (int r = 0; r < kR; ++r) total[r][v] = multiply_add(x, splat_of(x + r * x_stride), weight, total[r][v]);
  }
}
template <int kR, int kV, class Input>
GPT2RUN_INLINE void multiply(const Input* x, int64_t x_stride, const bf16* at, bool both, auto ahead,
                             Vector (&total)[kR][kV]) {
  prefetch_ahead(at, 2 * kV * kWidth * sizeof(bf16), ahead);
  for (int v = 0; v < kV; ++v) {
    Bits pair;
    __builtin_memcpy(&pair, at + v * kWidth * 2, sizeof pair);
    const Vector first = (Vector)(pair << 16), second = (Vector)(pair & 0xffff0000);
    for (int r = 0; r < kR; ++r) {
      total[r][v] = multiply_add(x, splat_of(x + r * x_stride), first, total[r][v]);
      if (both) total[r][v] = multiply_add(x, splat_of(x + r * x_stride + 1), second, total[r][v]);
    }
  }
}

template <int kR, int kV, class Input, class Value>
GPT2RUN_INLINE void add_products(const Input* x, int64_t x_stride, const Value* w, int K, auto ahead,
                                 Vector (&total)[kR][kV]) {
  if constexpr (kPair<Value> == 1) {
    for (int k = 0; k < K; ++k) multiply(x + k, x_stride, w + k * kPanel, ahead, total);
  } else {
    int k = 0;
    for (; k + 1 < K; k += 2) multiply(x + k, x_stride, w + k * kPanel, true, ahead, total);
    if (k < K) multiply(x + k, x_stride, w + k * kPanel, false, ahead, total);
  }
}

// Packs x (K) as the product reads it. The two parts of a value of FP16, or of two BF16 values, are exact.
GPT2RUN_INLINE void pack_inputs(const float* x, int K, Split* out) {
  __builtin_memset(out, 0, padded(K, kTileInputs) * sizeof(Split));
  for (int k = 0; k < K; ++k) {
    const float high = ((Vector)round_bf16(splat(x[k])))[0];
    out[k] = {x[k] - high, high};
  }
}
GPT2RUN_INLINE void pack_inputs(const float* x, int K, float* out) { __builtin_memcpy(out, x, K * sizeof(float)); }
#if defined(GPT2RUN_CPU_SPLIT_FMA)
GPT2RUN_INLINE void pack_inputs(const float* x, int K, Typed* out) { __builtin_memcpy(out, x, K * sizeof(float)); }
#endif
GPT2RUN_INLINE void pack_inputs(const float* x, int K, Filled* out) {
  __builtin_memcpy(out, x, K * sizeof(float));
  __builtin_memset(out + K, 0, (padded(K, kTileInputs) - K) * sizeof(float));
}

#if defined(GPT2RUN_CPU_DOT)
// The values are those of BF16, so their upper halves hold all of their bits.
GPT2RUN_INLINE void pack_inputs(const float* x, int K, Pairs* out) {
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
GPT2RUN_INLINE void add_products(const Pairs* x, int64_t x_stride, const bf16* w, int K, auto ahead,
                                 Vector (&total)[kR][kV]) {
  for (int k = 0; k < (K + 1) / 2; ++k) {
    prefetch_ahead(w + int64_t(k) * kPanel * 2, 2 * kV * kWidth * sizeof(bf16), ahead);
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

// A panel's sums in memory, with rows `stride` apart.
template <class Float>
struct Sums {
  Float* at;  // null stands for zeros
  int64_t stride;
  Sums from(int row) const { return {at ? at + row * stride : at, stride}; }
};

// Adds one block of K for kR rows and a whole panel: after = before + products.
template <int kR, int kV, class Input, class Value>
GPT2RUN_INLINE void block(const Input* x, int64_t x_stride, const Value* w, int K, auto ahead, Sums<const float> before,
                          Sums<float> after) {
  for (int o = 0; o < kPanel; o += kV * kWidth) {
    Vector total[kR][kV];  // the loops are unrolled so that it stays in registers
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kV; ++v) total[r][v] = Vector{};
    }
    add_products(x, x_stride, w + o * kPair<Value>, K, ahead, total);
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

// The same in the order `amx`: after = (even + odd) + before, also if `before` is zeros, which turn -0 into +0.
template <int kR, int kV>
GPT2RUN_INLINE void block(const Filled* x, int64_t x_stride, const bf16* w, int K, auto ahead, Sums<const float> before,
                          Sums<float> after) {
  for (int o = 0; o < kTilePanel; o += kV * kWidth) {
    Vector even[kR][kV], odd[kR][kV];
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kV; ++v) even[r][v] = odd[r][v] = Vector{};
    }
    for (int k = 0; k < K; k += 2) {
      const bf16* at = w + k * kTilePanel + o * 2;
      prefetch_ahead(at, 2 * kV * kWidth * sizeof(bf16), ahead);
#pragma GCC unroll 8
      for (int v = 0; v < kV; ++v) {
        Bits pair;
        __builtin_memcpy(&pair, at + v * kWidth * 2, sizeof pair);
        const Vector first = (Vector)(pair << 16), second = (Vector)(pair & 0xffff0000);
#pragma GCC unroll 8
        for (int r = 0; r < kR; ++r) {
          even[r][v] = fma16(splat(x[r * x_stride + k].value), first, even[r][v]);
          odd[r][v] = fma16(splat(x[r * x_stride + k + 1].value), second, odd[r][v]);
        }
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kV; ++v) {
        const Vector own = even[r][v] + odd[r][v];
        const Vector sum = before.at ? load_vector(before.at + r * before.stride + o + v * kWidth) : Vector{};
        store_vector(after.at + r * after.stride + o + v * kWidth, own + sum);
      }
    }
  }
}

// Which of the products of parts is the first: low low, low high, high low and high high, that of the input named
// first.
template <class Value>
constexpr int kFirstProduct = std::is_same_v<Value, float> ? 1 : 0;

// The weights of one pair of inputs of a register of outputs: those of the even and of the odd input.
GPT2RUN_INLINE void load_pairs(const f16* at, Vector& even, Vector& odd) {
  Bits pairs;
  __builtin_memcpy(&pairs, at, sizeof pairs);
  const Halves halves[2] = {__builtin_convertvector(pairs, Halves), __builtin_convertvector(pairs >> 16, Halves)};
  f16 values[2][kWidth];
  __builtin_memcpy(values, halves, sizeof values);
  even = load_vector(values[0]), odd = load_vector(values[1]);
}
GPT2RUN_INLINE void load_pairs(const float* at, Vector& even, Vector& odd) {
  typedef uint64_t Pair __attribute__((vector_size(kWidth * 8)));
  Pair pairs;
  __builtin_memcpy(&pairs, at, sizeof pairs);
  even = (Vector) __builtin_convertvector(pairs, Bits), odd = (Vector) __builtin_convertvector(pairs >> 32, Bits);
}

// The two parts of weights, low and high. Of what is not finite, the low part is NaN.
GPT2RUN_INLINE void split(Vector weight, Vector (&parts)[2]) {
  const Bits bits = (Bits)weight;
  parts[1] = (Vector)((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000);
  parts[0] = weight - parts[1];
}

// The weights of 32 inputs and a panel, split: (16 pairs, even and odd, low and high, 32 outputs).
template <class Value>
GPT2RUN_INLINE void split_block(const Value* w, float* out) {
  for (int i = 0; i < kTileInputs / 2 * kTilePanel; i += kWidth) {
    Vector first, second;
    load_pairs(w + 2 * i, first, second);
    float* to = out + i / kTilePanel * 4 * kTilePanel + i % kTilePanel;
    Vector even[2], odd[2];
    split(first, even), split(second, odd);
    store_vector(to, even[0]), store_vector(to + kTilePanel, even[1]);
    store_vector(to + 2 * kTilePanel, odd[0]), store_vector(to + 3 * kTilePanel, odd[1]);
  }
}

// A block for one row, whose weights are split in registers.
template <class Value>
GPT2RUN_INLINE void split_row(const Split* x, const Value* w, auto ahead, const float* before, float* after) {
  for (int o = 0; o < kTilePanel; o += kWidth) {
    Vector even[4] = {}, odd[4] = {};  // of each product of parts
    for (int k = 0; k < kTileInputs; k += 2) {
      const Value* at = w + k * kTilePanel + 2 * o;
      prefetch_ahead(at, 2 * kWidth * sizeof(Value), ahead);
      Vector both[2], first[2], second[2];
      load_pairs(at, both[0], both[1]);
      split(both[0], first), split(both[1], second);
      const Vector inputs[4] = {splat(x[k].low), splat(x[k].high), splat(x[k + 1].low), splat(x[k + 1].high)};
#pragma GCC unroll 4
      for (int part = kFirstProduct<Value>; part < 4; ++part) {
        even[part] = fma16(inputs[part / 2], first[part % 2], even[part]);
        odd[part] = fma16(inputs[2 + part / 2], second[part % 2], odd[part]);
      }
    }
    Vector total = before ? load_vector(before + o) : Vector{};
    for (int part = kFirstProduct<Value>; part < 4; ++part) total = (even[part] + odd[part]) + total;
    store_vector(after + o, total);
  }
}

// The products of one part of the inputs and one part of the weights, added up as in the order `amx`.
template <int kR, int kV>
GPT2RUN_INLINE void add_parts(const float* x, int64_t x_stride, const float* w, Vector (&total)[kR][kV]) {
  Vector even[kR][kV], odd[kR][kV];
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kV; ++v) even[r][v] = odd[r][v] = Vector{};
  }
  for (int k = 0; k < kTileInputs; k += 2, w += 4 * kTilePanel) {
#pragma GCC unroll 8
    for (int v = 0; v < kV; ++v) {
      const Vector first = load_vector(w + v * kWidth), second = load_vector(w + 2 * kTilePanel + v * kWidth);
#pragma GCC unroll 8
      for (int r = 0; r < kR; ++r) {
        even[r][v] = fma16(splat(x[r * x_stride + 2 * k]), first, even[r][v]);
        odd[r][v] = fma16(splat(x[r * x_stride + 2 * k + 2]), second, odd[r][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kV; ++v) total[r][v] = (even[r][v] + odd[r][v]) + total[r][v];
  }
}

// A block in the orders `amx-4` and `amx-split`: one product of parts after another.
template <int kR, int kV, class Value>
GPT2RUN_INLINE void block(const Split* x, int64_t x_stride, const Value* w, int, auto ahead, Sums<const float> before,
                          Sums<float> after) {
  if constexpr (kR == 1) return split_row(x, w, ahead, before.at, after.at);
  alignas(64) float weights[2 * kTileInputs * kTilePanel];
  split_block(w, weights);
  for (int o = 0; o < kTilePanel; o += kV * kWidth) {
    Vector total[kR][kV];
    for (int r = 0; r < kR; ++r) {
      for (int v = 0; v < kV; ++v)
        total[r][v] = before.at ? load_vector(before.at + r * before.stride + o + v * kWidth) : Vector{};
    }
    for (int part = kFirstProduct<Value>; part < 4; ++part)
      add_parts(reinterpret_cast<const float*>(x) + part / 2, 2 * x_stride, weights + part % 2 * kTilePanel + o, total);
    for (int r = 0; r < kR; ++r) {
      for (int v = 0; v < kV; ++v) store_vector(after.at + r * after.stride + o + v * kWidth, total[r][v]);
    }
  }
}

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
