// The packed layouts of a matrix for the kernels. The outputs are divided into panels; within a panel k ascends, and
// the values of all outputs for one k are contiguous. A register then holds several outputs rather than parts of one
// sum. So every output is a single sum over ascending k, whatever is computed with it, and a panel is read as one
// stream of memory. The order of sums (docs/numerics.md) decides about the layout:
//
// - VectorLayout: panels of 64 outputs. BF16 interleaves two successive k of each output, which its dot product needs.
// - TileLayout: panels of 32 outputs, two k of each output interleaved, and K filled up to a multiple of 32, so that 16
//   pairs of k and 16 outputs are a tile (tile.hpp).
//
// Missing outputs of the last panel, and k that are filled up, are zero. Letters: K inputs.
#pragma once
#include <type_traits>

#include "functions.hpp"
#include "gpt2run/sdk/float16.hpp"

namespace gpt2run::cpu {

inline constexpr int kPanel = 64;

template <class Value>
inline constexpr Type kType = std::is_same_v<Value, float> ? Type::f32
                              : std::is_same_v<Value, f16> ? Type::f16
                                                           : Type::bf16;

template <class Value>
inline constexpr int kPair = std::is_same_v<Value, bf16> ? 2 : 1;

GPT2RUN_INLINE constexpr int padded(int count, int unit) { return (count + unit - 1) / unit * unit; }

// kOutputs: of a panel. kTogether: successive k of an output that are interleaved. kMultiple: what K is filled up to.
template <int kOutputs, int kTogether, int kMultiple>
struct PanelLayout {
  static constexpr int panel = kOutputs, together = kTogether, multiple = kMultiple;

  // The number of elements in one panel, and in all panels.
  GPT2RUN_INLINE static constexpr size_t panel_elements(int K) { return size_t(kOutputs) * padded(K, kMultiple); }
  GPT2RUN_INLINE static constexpr size_t elements(int outputs, int K) {
    return size_t(padded(outputs, kOutputs) / kOutputs) * panel_elements(K);
  }

  // The index of the weight from input k to an output.
  GPT2RUN_INLINE static constexpr size_t at(int output, int k, int K) {
    return size_t(output / kOutputs) * panel_elements(K) +
           (size_t(k / kTogether) * kOutputs + output % kOutputs) * kTogether + k % kTogether;
  }
};

template <class Value>
using VectorLayout = PanelLayout<kPanel, kPair<Value>, kPair<Value>>;

inline constexpr int kTilePanel = 32, kTileInputs = 32;
using TileLayout = PanelLayout<kTilePanel, 2, kTileInputs>;

// Blocking of products. Up to kDirectRows rows read their inputs in place, except for dot products. Up to kFewRows are
// packed whole, if they take no more than kPackedElements. Of more rows, kSegment inputs (twice as many for dot
// products) of kPackedRows rows at a time are packed: 442 KB, which leaves room in a second-level cache, and twice that
// where an input is two parts.
inline constexpr int kDirectRows = 6, kFewRows = 48, kPackedRows = 288, kSegment = 384;
inline constexpr int kPackedElements = kPackedRows * kSegment;

// Floats for one segment of a panel widened to FP32, plus what it takes to align it to a cache line. 16-bit weights are
// widened once for many rows. These 98 KB are too much for a thread's stack.
inline constexpr size_t kWideElements = size_t(kSegment) * kPanel + 16;

// Floats of workspace for a product of up to `rows` rows and K inputs: the widened weights, then the packed inputs, of
// whole blocks of K.
constexpr size_t product_workspace(int rows, int K) {
  const size_t all = size_t(rows < kDirectRows ? kDirectRows : rows) * padded(K, 64);
  const size_t few = size_t(kDirectRows) * padded(K, 64), most = few < kPackedElements ? kPackedElements : few;
  return kWideElements + (all < most ? all : most);
}

// Blocking of products by tiles. So many rows, two tiles high at least, are packed at a time that they take about
// kTileBytes, or up to kTileRows: they stay in a second-level cache while all panels are multiplied. An input of FP16
// or FP32 is two values of BF16. kTileBlock: the values of BF16 in a block of K, of one row.
template <class Value>
inline constexpr int kPieces = std::is_same_v<Value, bf16> ? 1 : 2;
inline constexpr int kTileRows = 512, kTileBytes = 3 << 19, kTilePair = 32, kTileBlock = 256;
template <class Value>
GPT2RUN_INLINE constexpr int tile_rows(int K) {
  const int rows = kTileBytes / (2 * kPieces<Value> * padded(K, kTileInputs)) / kTilePair * kTilePair;
  return rows < kTilePair ? kTilePair : rows < kTileRows ? rows : kTileRows;
}

// Floats of workspace for a product by tiles: the packed inputs, of 16 bits, the sums of one panel, the parts of a
// block of weights, and what it takes to align them to a cache line.
template <class Value>
constexpr size_t tile_workspace(int rows, int K) {
  const size_t most = padded(rows < kTileRows ? rows : kTileRows, kTilePair);
  const size_t width = size_t(kPieces<Value>) * padded(K, kTileInputs);
  const size_t limit = kTileBytes / 2 < kTilePair * width ? kTilePair * width : kTileBytes / 2;
  return (most * width < limit ? most * width : limit) / 2 + most * kTilePanel + kTileBlock * kTilePanel / 2 + 32;
}

// How the weights and the keys of a precision are packed, and what its products need. Of the orders of tiles, only that
// of BF16 is also the order of scores.
template <class Value>
struct VectorPacking {
  using Weights = VectorLayout<Value>;
  using Keys = VectorLayout<Value>;
  static constexpr size_t workspace(int rows, int K) { return product_workspace(rows, K); }
};
template <class Value>
struct TilePacking {
  using Weights = TileLayout;
  using Keys = std::conditional_t<std::is_same_v<Value, bf16>, TileLayout, VectorLayout<Value>>;
  static constexpr size_t workspace(int rows, int K) {
    const size_t vectors = kPieces<Value> * product_workspace(rows, padded(K, kTileInputs));
    const size_t tiles = tile_workspace<Value>(rows, K);
    return vectors < tiles ? tiles : vectors;
  }
};

}  // namespace gpt2run::cpu
