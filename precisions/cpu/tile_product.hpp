// Products with a packed matrix (packed.hpp, TileLayout) by tiles (tile.hpp), in the order `amx`. A panel of 32 outputs
// and two tiles of rows make 2 x 2 tiles of sums. K goes in blocks, so that a block of a panel, one of the inputs of 32
// rows, and their sums stay in an L1 cache of 48 KB.
#pragma once
#include "packed.hpp"
#include "product.hpp"
#include "tile.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

constexpr int kTileBlock = 256;                         // inputs
constexpr int kTileElements = kTileSide * kTileInputs;  // of 16 bits
constexpr int kStepElements = 2 * kTileElements;        // of 32 inputs of a panel, and of a pair of tiles of rows
constexpr int kSumElements = kTilePair * kTilePanel;    // of 2 x 2 tiles
constexpr int64_t kPanelLine = 2 * kTilePanel * sizeof(bf16);  // bytes from one pair of inputs of a panel to the next

// The upper halves of x (count), which hold all bits of values of BF16, and zeros up to 32 elements.
GPT2RUN_INLINE void pack_step(const float* x, int count, uint16_t* out) {
  uint32_t bits[kTileInputs] = {};
  __builtin_memcpy(bits, x, least(count, kTileInputs) * sizeof(float));
  for (int i = 0; i < kTileInputs; ++i) out[i] = static_cast<uint16_t>(bits[i] >> 16);
}

// Packs x (rows, K) as tiles: for each block of K and each 32 rows, step by step, the tile of the first 16 rows and
// that of the others. Rows that are missing in a pair of tiles are zero.
GPT2RUN_INLINE void pack_tiles(const float* x, int rows, int64_t x_stride, int K, uint16_t* out) {
  const int width = padded(K, kTileInputs), high = padded(rows, kTilePair);
  for (int k0 = 0; k0 < width; k0 += kTileBlock) {
    const int length = least(kTileBlock, width - k0);
    for (int r = 0; r < high; ++r) {
      uint16_t* to = out + int64_t(k0) * high + int64_t(r / kTilePair) * kTilePair * length +
                     r % kTilePair / kTileSide * kTileElements + r % kTileSide * kTileInputs;
      for (int k = k0; k < k0 + length; k += kTileInputs, to += kStepElements)
        pack_step(x + r * x_stride + k, r < rows ? K - k : 0, to);
    }
  }
}

// Adds a block of K for one pair of tiles of rows, or for the first of them only, to the sums in memory.
template <bool kTwo, class Tiles>
GPT2RUN_INLINE void tile_block(Tiles& tiles, const uint16_t* x, const bf16* w, int length, bool first, float* before,
                               float* after, int64_t after_stride) {
  constexpr int64_t kLines = kTileLine;
  constexpr int kSums = kTileSide * kTileSide;
  if (first) {
    tiles.template zero<0>(), tiles.template zero<1>();
    if constexpr (kTwo) tiles.template zero<2>(), tiles.template zero<3>();
  } else {
    tiles.template load<0>(before, kLines), tiles.template load<1>(before + kSums, kLines);
    if constexpr (kTwo) tiles.template load<2>(before + 2 * kSums, kLines);
    if constexpr (kTwo) tiles.template load<3>(before + 3 * kSums, kLines);
  }
  for (int k = 0; k < length; k += kTileInputs, x += kStepElements, w += kStepElements) {
    tiles.template load<6>(w, kPanelLine), tiles.template load<4>(x, kLines);
    tiles.template dot_bf16<0, 4, 6>();
    tiles.template load<7>(w + kTileInputs, kPanelLine);
    tiles.template dot_bf16<1, 4, 7>();
    if constexpr (kTwo) {
      tiles.template load<5>(x + kTileElements, kLines);
      tiles.template dot_bf16<2, 5, 6>();
      tiles.template dot_bf16<3, 5, 7>();
    }
  }
  const bool apart = after_stride == kLines;  // as tiles, one after another, and not as a matrix
  const int64_t right = apart ? kSums : kTileSide, below = apart ? 2 * kSums : kTileSide * after_stride / 4;
  tiles.template store<0>(after, after_stride), tiles.template store<1>(after + right, after_stride);
  if constexpr (kTwo) tiles.template store<2>(after + below, after_stride);
  if constexpr (kTwo) tiles.template store<3>(after + below + right, after_stride);
}

// Copies 2 x 2 tiles of sums to a matrix.
GPT2RUN_INLINE void copy_sums(const float* sums, int rows, int outputs, float* y, int64_t y_stride) {
  for (int r = 0; r < rows; ++r) {
    const float* row = sums + r / kTileSide * 2 * kTileSide * kTileSide + r % kTileSide * kTileSide;
    __builtin_memcpy(y + r * y_stride, row, least(outputs, kTileSide) * sizeof(float));
    if (outputs > kTileSide)
      __builtin_memcpy(y + r * y_stride + kTileSide, row + kTileSide * kTileSide,
                       (outputs - kTileSide) * sizeof(float));
  }
}

// y (rows, outputs of one panel) = packed x times a panel. sums: scratch (rows, kTilePanel). A matrix whose rows are a
// multiple of 4 KB apart gets its sums by a copy, because stores of tiles that fall on the same lines of the cache are
// slow.
template <class Tiles>
void tile_panel(Tiles& tiles, const uint16_t* x, int rows, const bf16* w, int width, int outputs, float* y,
                int64_t y_stride, float* sums) {
  constexpr int64_t kPage = 4096;
  const int high = padded(rows, kTilePair);
  const int64_t bytes = y_stride * static_cast<int64_t>(sizeof(float));
  for (int k0 = 0; k0 < width; k0 += kTileBlock) {
    const int length = least(kTileBlock, width - k0);
    for (int r = 0; r < rows; r += kTilePair) {
      const int count = least(kTilePair, rows - r);
      const bool two = count > kTileSide, last = k0 + length == width;
      const bool direct = last && outputs == kTilePanel && count % kTileSide == 0 && bytes % kPage != 0;
      float* own = sums + int64_t(r) * kTilePanel;
      float* after = direct ? y + r * y_stride : own;
      const uint16_t* inputs = x + int64_t(k0) * high + int64_t(r) * length;
      const bf16* weights = w + int64_t(k0) * kTilePanel;
      if (two)
        tile_block<true>(tiles, inputs, weights, length, k0 == 0, own, after, direct ? bytes : kTileLine);
      else
        tile_block<false>(tiles, inputs, weights, length, k0 == 0, own, after, direct ? bytes : kTileLine);
      if (last && !direct) copy_sums(own, count, outputs, y + r * y_stride, y_stride);
    }
  }
}

// Kernels::linear (kernels.hpp). Some rows at a time are packed and stay in the second-level cache while all panels are
// multiplied.
template <class Tiles>
void tile_product(const float* x, int rows, int64_t x_stride, const bf16* w, int K, int outputs, float* y,
                  int64_t y_stride, float* workspace) {
  auto* packed = reinterpret_cast<uint16_t*>((reinterpret_cast<uintptr_t>(workspace) + kLine - 1) / kLine * kLine);
  const int most = tile_rows(K), width = padded(K, kTileInputs);
  for (int from = 0; from < rows; from += most) {
    const int count = least(most, rows - from);
    auto* sums = reinterpret_cast<float*>(packed + int64_t(padded(count, kTilePair)) * width);
    pack_tiles(x + from * x_stride, count, x_stride, K, packed);
    Tiles tiles(least(count, kTileSide));
    for (int o = 0; o < outputs; o += kTilePanel)
      tile_panel(tiles, packed, count, w + TileLayout::at(o, 0, K), width, least(kTilePanel, outputs - o),
                 y + from * y_stride + o, y_stride, sums);
  }
}

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
