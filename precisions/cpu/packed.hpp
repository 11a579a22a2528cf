// How a matrix lies in memory that the kernels multiply by: in panels of 64 outputs, within a panel K ascending, the 64
// values of one k together. A register then holds outputs, not parts of a sum: every output is one sum over K ascending
// whatever is computed beside it, and a panel is one stream of memory. BF16 keeps two successive k of an output side by
// side, as its dot product takes them. What is missing of the last panel, or of the last pair, is zero.
// Letters: K inputs.
#pragma once
#include <type_traits>

#include "gpt2run/sdk/float16.hpp"

namespace gpt2run::cpu {

inline constexpr int kPanel = 64;

template <class Value>
inline constexpr Type kType = std::is_same_v<Value, float> ? Type::f32
                              : std::is_same_v<Value, f16> ? Type::f16
                                                           : Type::bf16;

template <class Value>
inline constexpr int kPair = std::is_same_v<Value, bf16> ? 2 : 1;

constexpr int padded(int count, int unit) { return (count + unit - 1) / unit * unit; }

// Elements of one panel, and of all.
template <class Value>
constexpr size_t panel_elements(int K) {
  return size_t(kPanel) * padded(K, kPair<Value>);
}
template <class Value>
constexpr size_t packed_elements(int outputs, int K) {
  return size_t(padded(outputs, kPanel) / kPanel) * panel_elements<Value>(K);
}

// Where the weight of input k to an output lies.
template <class Value>
constexpr size_t packed_at(int output, int k, int K) {
  constexpr int pair = kPair<Value>;
  return size_t(output / kPanel) * panel_elements<Value>(K) + (size_t(k / pair) * kPanel + output % kPanel) * pair +
         k % pair;
}

// Rows that are few: their inputs are read where they lie, but for dot products. Of more rows kSegment inputs (twice as
// many for dot products) of kPackedRows at a time are packed: 442 KB, which leave room in a second-level
// cache.
inline constexpr int kFewRows = 6, kPackedRows = 288, kSegment = 384;

// Floats for a segment of one panel in FP32, with what it takes to begin at a cache line: weights of two bytes are
// widened once for many rows. It is 98 KB, too much for a thread's stack.
inline constexpr size_t kWideElements = size_t(kSegment) * kPanel + 16;

// Floats that a product of at most `rows` rows and K inputs works in: the widened weights, then the inputs.
constexpr size_t product_workspace(int rows, int K) {
  const size_t few = size_t(kFewRows) * K, many = size_t(rows < kPackedRows ? rows : kPackedRows) * kSegment;
  return kWideElements + (few < many ? many : few);
}

}  // namespace gpt2run::cpu
