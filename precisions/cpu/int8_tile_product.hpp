// Products with a packed int8 or int4 matrix (int8_packed.hpp) by tiles (tile.hpp). A panel has the layout of all sets:
// 64 inputs of 16 outputs are a tile as they lie, with rows of four inputs that are kStepBytes apart. The bytes are
// code + kBias and unsigned, so a sum is too large by kBias times the sum of the row's codes, which is taken away at
// the end. Sums are modulo 2^32, and the result fits.
//
// Half a panel and two tiles of rows make 2 x 2 tiles of sums. K goes in blocks, so that a block of half a panel, one
// of the inputs of 32 rows, and their sums stay in an L1 cache of 48 KB.
#pragma once
#include "int8_product.hpp"
#include "tile.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

constexpr int kHalfPanel = 2 * kTileSide;  // outputs
static_assert(kCodeBlock % kTileLine == 0 && kCodeBlock % kGroupInputs == 0, "a block has whole tiles and groups");

// Packs rows of codes as tiles: for each block of K and each 32 rows, step by step of 64 inputs, the tile of the first
// 16 rows and that of the others. What is missing, of K and of 32 rows, is zero.
GPT2RUN_INLINE void pack_codes(const CodedRows& x, int first, int rows, int K, int8_t* out) {
  const int given = padded(K, kGroupInputs), width = padded(K, kTileLine), high = padded(rows, kTilePair);
  for (int k0 = 0; k0 < width; k0 += kCodeBlock) {
    const int length = least(kCodeBlock, width - k0);
    for (int r = 0; r < high; ++r) {
      int8_t* to = out + int64_t(k0) * high + int64_t(r / kTilePair) * kTilePair * length +
                   r % kTilePair / kTileSide * kBytesOfTile + r % kTileSide * kTileLine;
      for (int k = k0; k < k0 + length; k += kTileLine, to += 2 * kBytesOfTile) {
        const int count = r < rows ? least(kTileLine, given - k) : 0;
        if (count < kTileLine) __builtin_memset(to, 0, kTileLine);
        if (count == kTileLine)
          __builtin_memcpy(to, x.codes + (first + r) * x.stride + k, kTileLine);
        else if (count > 0)
          __builtin_memcpy(to, x.codes + (first + r) * x.stride + k, count);
      }
    }
  }
}

// The weights of a block, `inputs` of a panel, as whole tiles: where they lie, or in `scratch` if they are int4 or end
// within a tile. Then what is missing is zero.
template <Codes kCodes>
GPT2RUN_INLINE const uint8_t* whole_tiles(const uint8_t* codes, int inputs, uint8_t* scratch) {
  if (kCodes == Codes::int8 && inputs % kTileLine == 0) return codes;
  if constexpr (kCodes == Codes::int4)
    unpack(codes, inputs, scratch);
  else
    __builtin_memcpy(scratch, codes, inputs * kPanel);
  __builtin_memset(scratch + inputs * kPanel, 0, (padded(inputs, kTileLine) - inputs) * kPanel);
  return scratch;
}

// Adds a block of K for one pair of tiles of rows, or for the first of them only, to the sums in memory.
template <bool kTwo, class Tiles>
GPT2RUN_INLINE void code_block(Tiles& tiles, const int8_t* x, const uint8_t* w, int length, bool first, int32_t* sums) {
  begin_sums<kTwo>(tiles, first, sums);
  for (int k = 0; k < length; k += kTileLine, x += 2 * kBytesOfTile, w += kTileSide * kStepBytes) {
    tiles.template load<6>(w, kStepBytes);
    tiles.template load<4>(x, kTileLine);
    tiles.template dot_int8<0, 4, 6>();
    tiles.template load<7>(w + kTileLine, kStepBytes);
    tiles.template dot_int8<1, 4, 7>();
    if constexpr (kTwo) {
      tiles.template load<5>(x + kBytesOfTile, kTileLine);
      tiles.template dot_int8<2, 5, 6>();
      tiles.template dot_int8<3, 5, 7>();
    }
  }
  end_sums<kTwo>(tiles, sums, kBytesOfTile, 2 * kBytesOfTile, kTileLine);
}

// Writes the outputs of up to 32 rows, beginning at `row`, and of half a panel, beginning at output o.
GPT2RUN_INLINE void finish_codes(const int32_t* sums, const CodedRows& x, int row, int rows, int o, const Outputs& to) {
  for (int r = 0; r < rows; ++r) {
    const int32_t* own = sums + r / kTileSide * 2 * kTileSums + r % kTileSide * kTileSide;
    const Bits bias = (Bits)splat_int(minus_bias(x.sums[row + r]));
    for (int i = 0; i < kHalfPanel; i += kWidth) {
      const Bits sum = (Bits)load_ints(own + i / kTileSide * kTileSums + i % kTileSide) + bias;
      finish((Ints)sum, x.scales[row + r], to, row + r, o + i);
    }
  }
}

// Up to kTileRows rows, beginning at `row`, with one panel. packed: these rows (pack_codes). sums: scratch (rows,
// kPanel). unpacked: scratch for a block of weights.
template <Codes kCodes, class Tiles>
void code_panel(Tiles& tiles, const CodedRows& x, int row, int rows, const int8_t* packed, const std::byte* panel,
                int K, const Outputs& to, int32_t* sums, uint8_t* unpacked) {
  const uint8_t* codes = codes_of(panel);
  const int width = padded_inputs(kCodes, K), high = padded(rows, kTilePair);
  for (int k0 = 0; k0 < width; k0 += kCodeBlock) {
    const int inputs = least(kCodeBlock, width - k0), length = padded(inputs, kTileLine);
    const uint8_t* w = whole_tiles<kCodes>(codes + int64_t(k0) * kBytesOfInput<kCodes>, inputs, unpacked);
    for (int o = 0; o < to.count; o += kHalfPanel) {
      for (int r = 0; r < rows; r += kTilePair) {
        const int count = least(kTilePair, rows - r);
        const int8_t* own = packed + int64_t(k0) * high + int64_t(r) * length;
        int32_t* at = sums + int64_t(r) * kPanel + o * kTilePair;
        if (count > kTileSide)
          code_block<true>(tiles, own, w + o * kFour, length, k0 == 0, at);
        else
          code_block<false>(tiles, own, w + o * kFour, length, k0 == 0, at);
        if (k0 + inputs == width) finish_codes(at, x, row + r, count, o, to);
      }
    }
  }
}

// Int8Kernels::linear. Some rows at a time are packed and stay in the second-level cache while all panels are
// multiplied.
template <Codes kCodes, class Tiles>
void tile_codes(const CodedRows& x, int rows, const std::byte* w, int K, int outputs, float* y, int64_t y_stride,
                void* memory) {
  const int most = code_rows(K), high = padded(least(rows, most), kTilePair);
  auto* unpacked = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(memory) + kLine - 1) / kLine * kLine);
  auto* sums = reinterpret_cast<int32_t*>(unpacked + kCodeBlock * kPanel);
  auto* packed = reinterpret_cast<int8_t*>(sums + high * kPanel);
  for (int row = 0; row < rows; row += most) {
    const int count = least(most, rows - row);
    pack_codes(x, row, count, K, packed);
    Tiles tiles(least(count, kTileSide));
    for (int o = 0; o < outputs; o += kPanel) {
      const std::byte* panel = w + int64_t(o / kPanel) * panel_bytes(kCodes, K);
      const Outputs to{y + o, y_stride, least(kPanel, outputs - o), reinterpret_cast<const float*>(panel)};
      code_panel<kCodes>(tiles, x, row, count, packed, panel, K, to, sums, unpacked);
    }
  }
}

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
