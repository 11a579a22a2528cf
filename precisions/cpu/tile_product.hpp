// Products with a packed matrix (packed.hpp, TileLayout) by tiles (tile.hpp): BF16 in the order `amx`; FP16, as two
// parts that are BF16, in the order `amx-4`; and FP32, as two parts too, in the order `amx-split`. A panel of 32
// outputs and two tiles of rows make 2 x 2 tiles of sums. K goes in blocks, so that a block of a panel, one of the
// inputs of 32 rows, and their sums stay in an L1 cache of 48 KB.
#pragma once
#include "packed.hpp"
#include "product.hpp"
#include "tile.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

constexpr int kTileElements = kTileSide * kTileInputs;         // of 16 bits
constexpr int kPairElements = 2 * kTileElements;               // of 32 inputs of a panel, or of two tiles of rows
constexpr int64_t kPanelLine = 2 * kTilePanel * sizeof(bf16);  // bytes from one pair of inputs of a panel to the next

// Splits 16 values into two values of BF16 each, whose sums they are.
GPT2RUN_INLINE void store_parts(Floats x, bf16* low, bf16* high) {
  const Floats nearest = rounded<bf16>(x);
  store(low, x - nearest), store(high, nearest);
}

// Packs x (rows, K) as tiles: for each block of K and each 32 rows, step by step, for each part the tile of the first
// 16 rows and that of the others. What is missing, of K and of 32 rows, is zero.
template <class Value>
GPT2RUN_INLINE void pack_tiles(const float* x, int rows, int64_t x_stride, int K, bf16* out) {
  constexpr int kStep = kPieces<Value> * kPairElements, kBlockInputs = kTileBlock / kPieces<Value>;
  const int width = padded(K, kTileInputs), high = padded(rows, kTilePair);
  for (int k0 = 0; k0 < width; k0 += kBlockInputs) {
    const int length = least(kBlockInputs, width - k0);
    for (int r = 0; r < high; ++r) {
      bf16* to = out + (int64_t(k0) * high + int64_t(r / kTilePair) * kTilePair * length) * kPieces<Value> +
                 r % kTilePair / kTileSide * kTileElements + r % kTileSide * kTileInputs;
      for (int k = k0; k < k0 + length; k += kTileInputs, to += kStep) {
        for (int i = 0; i < kTileInputs; i += kLanes) {
          const int count = r < rows ? K - k - i : 0;
          const Floats own = count > 0 ? load(x + r * x_stride + k + i, count) : Floats{};
          if constexpr (kPieces<Value> == 1)
            store(to + i, own);
          else
            store_parts(own, to + i, to + kPairElements + i);
        }
      }
    }
  }
}

// Splits weights of a panel, `length` inputs: the low parts of all, then the high parts.
template <class Value>
GPT2RUN_INLINE void split_weights(const Value* w, int length, bf16* out) {
  const int count = length * kTilePanel;
  for (int i = 0; i < count; i += kLanes) store_parts(load(w + i), out + i, out + count + i);
}

// Adds a block of K for one pair of tiles of rows, or for the first of them only, to the sums in memory. The weights'
// parts are `apart` elements apart.
template <bool kTwo, class Value, class Tiles>
GPT2RUN_INLINE void tile_block(Tiles& tiles, const bf16* x, const bf16* w, int length, int64_t apart, bool first,
                               const float* before, float* after, int64_t after_stride) {
  constexpr int64_t kLines = kTileLine;
  begin_sums<kTwo>(tiles, first, before);
  for (int k = 0; k < length; k += kTileInputs, w += kPairElements) {
    for (int part = 0; part < kPieces<Value>; ++part, x += kPairElements) {
      const int first_other = part == 0 ? kFirstProduct<Value> : 0;
      for (int other = first_other; other < kPieces<Value>; ++other) {
        const bf16* weights = w + other * apart;
        tiles.template load<6>(weights, kPanelLine);
        if (other == first_other) tiles.template load<4>(x, kLines);
        tiles.template dot_bf16<0, 4, 6>();
        tiles.template load<7>(weights + kTileInputs, kPanelLine);
        tiles.template dot_bf16<1, 4, 7>();
        if constexpr (kTwo) {
          if (other == first_other) tiles.template load<5>(x + kTileElements, kLines);
          tiles.template dot_bf16<2, 5, 6>();
          tiles.template dot_bf16<3, 5, 7>();
        }
      }
    }
  }
  const bool tiled = after_stride == kLines;  // tiles one behind another, and not a matrix
  end_sums<kTwo>(tiles, after, tiled ? kBytesOfTile : kLines, tiled ? 2 * kBytesOfTile : kTileSide * after_stride,
                 after_stride);
}

// Copies 2 x 2 tiles of sums to a matrix.
GPT2RUN_INLINE void copy_sums(const float* sums, int rows, int outputs, float* y, int64_t y_stride) {
  for (int r = 0; r < rows; ++r) {
    const float* row = sums + r / kTileSide * 2 * kTileSums + r % kTileSide * kTileSide;
    __builtin_memcpy(y + r * y_stride, row, least(outputs, kTileSide) * sizeof(float));
    if (outputs > kTileSide)
      __builtin_memcpy(y + r * y_stride + kTileSide, row + kTileSums, (outputs - kTileSide) * sizeof(float));
  }
}

// y (rows, outputs of one panel) = packed x times a panel. sums: scratch (rows, kTilePanel). parts: scratch for a block
// of weights that are split. A matrix whose rows are a multiple of 4 KB apart gets its sums by a copy, because stores
// of tiles that fall on the same lines of the cache are slow.
template <class Value, class Tiles>
void tile_panel(Tiles& tiles, const bf16* x, int rows, const Value* w, int width, int outputs, float* y,
                int64_t y_stride, float* sums, [[maybe_unused]] bf16* parts) {
  constexpr int64_t kPage = 4096;
  constexpr int kOwnPieces = kPieces<Value>, kBlockInputs = kTileBlock / kOwnPieces;
  const int high = padded(rows, kTilePair);
  const int64_t bytes = y_stride * static_cast<int64_t>(sizeof(float));
  for (int k0 = 0; k0 < width; k0 += kBlockInputs) {
    const int length = least(kBlockInputs, width - k0);
    const Value* own_weights = w + int64_t(k0) * kTilePanel;
    const bf16* weights = parts;
    if constexpr (kOwnPieces == 1)
      weights = own_weights;
    else
      split_weights(own_weights, length, parts);
    for (int r = 0; r < rows; r += kTilePair) {
      const int count = least(kTilePair, rows - r);
      const bool last = k0 + length == width;
      const bool direct = last && outputs == kTilePanel && count % kTileSide == 0 && bytes % kPage != 0;
      float* own = sums + int64_t(r) * kTilePanel;
      float* after = direct ? y + r * y_stride : own;
      const bf16* inputs = x + (int64_t(k0) * high + int64_t(r) * length) * kOwnPieces;
      const auto add = [&]<bool kTwo>() {
        tile_block<kTwo, Value>(tiles, inputs, weights, length, int64_t(length) * kTilePanel, k0 == 0, own, after,
                                direct ? bytes : kTileLine);
      };
      if (count > kTileSide)
        add.template operator()<true>();
      else
        add.template operator()<false>();
      if (last && !direct) copy_sums(own, count, outputs, y + r * y_stride, y_stride);
    }
  }
}

// Kernels::linear (kernels.hpp). Some rows at a time are packed and stay in the second-level cache while all panels are
// multiplied.
template <class Tiles, class Value>
void tile_product(const float* x, int rows, int64_t x_stride, const Value* w, int K, int outputs, float* y,
                  int64_t y_stride, float* workspace) {
  auto* parts = reinterpret_cast<bf16*>((reinterpret_cast<uintptr_t>(workspace) + kLine - 1) / kLine * kLine);
  bf16* packed = parts + kTileBlock * kTilePanel;
  const int most = tile_rows<Value>(K), width = padded(K, kTileInputs);
  for (int from = 0; from < rows; from += most) {
    const int count = least(most, rows - from);
    auto* sums = reinterpret_cast<float*>(packed + int64_t(padded(count, kTilePair)) * width * kPieces<Value>);
    pack_tiles<Value>(x + from * x_stride, count, x_stride, K, packed);
    Tiles tiles(least(count, kTileSide));
    for (int o = 0; o < outputs; o += kTilePanel)
      tile_panel(tiles, packed, count, w + TileLayout::at(o, 0, K), width, least(kTilePanel, outputs - o),
                 y + from * y_stride + o, y_stride, sums, parts);
  }
}

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
