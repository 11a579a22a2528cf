// The packed layout of a matrix for the kernels. The outputs are divided into panels of 64; within a panel k ascends,
// and the 64 values for one k are contiguous. A register then holds several outputs rather than parts of one sum. So
// every output is a single sum over ascending k, whatever is computed with it, and a panel is read as one stream of
// memory. BF16 interleaves two successive k of each output, as its dot product needs them. Missing outputs of the last
// panel, and the missing second k of the last pair, are zero. Letters: K inputs.
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

// The number of elements in one panel, and in all panels.
template <class Value>
constexpr size_t panel_elements(int K) {
  return size_t(kPanel) * padded(K, kPair<Value>);
}
template <class Value>
constexpr size_t packed_elements(int outputs, int K) {
  return size_t(padded(outputs, kPanel) / kPanel) * panel_elements<Value>(K);
}

// The index of the weight from input k to an output.
template <class Value>
constexpr size_t packed_at(int output, int k, int K) {
  constexpr int pair = kPair<Value>;
  return size_t(output / kPanel) * panel_elements<Value>(K) + (size_t(k / pair) * kPanel + output % kPanel) * pair +
         k % pair;
}

// Blocking of products. Up to kDirectRows rows read their inputs in place, except for dot products. With more rows,
// kSegment inputs (twice as many for dot products) of kPackedRows rows at a time are packed first: 442 KB, which leaves
// room in a second-level cache.
inline constexpr int kDirectRows = 6, kPackedRows = 288, kSegment = 384;

// Floats for one segment of a panel widened to FP32, plus what it takes to align it to a cache line. 16-bit weights are
// widened once for many rows. These 98 KB are too much for a thread's stack.
inline constexpr size_t kWideElements = size_t(kSegment) * kPanel + 16;

// Floats of workspace for a product of up to `rows` rows and K inputs: the widened weights, then the packed inputs.
constexpr size_t product_workspace(int rows, int K) {
  const size_t few = size_t(kDirectRows) * K, many = size_t(rows < kPackedRows ? rows : kPackedRows) * kSegment;
  return kWideElements + (few < many ? many : few);
}

}  // namespace gpt2run::cpu
