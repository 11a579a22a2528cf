// The packed layouts of int8 and int4 weights, and the rows that are multiplied with them. As in packed.hpp, the
// outputs are divided into panels of 64. A panel is one stream of memory: the 64 scales of its outputs, then the codes,
// with the inputs ascending. Four successive inputs of an output stand together, because the processors' instructions
// for int8 add up four products. Letters: K inputs.
//
// int8: K is filled up to a multiple of 4. A byte is code + 128, so that it is unsigned, as VPDPBUSD needs one of its
// operands; the byte of a code that is missing is 128.
//
// int4: K is filled up to a multiple of 32, the columns of a group. For each group there are the 64 bytes of
// Tensor::groups, one for each output, then eight codes of every output at a time: four bytes whose low halves are the
// first four inputs and whose high halves are the other four. That is 17 bytes for 32 weights.
#pragma once
#include <cstddef>
#include <cstdint>

#include "packed.hpp"

namespace gpt2run::cpu {

// What a quantised matrix is stored as.
enum class Codes : uint8_t { int8, int4 };
constexpr const char* name_of(Codes codes) { return codes == Codes::int8 ? "int8" : "int4"; }

inline constexpr int kFour = 4;          // inputs that stand together
inline constexpr int kGroupInputs = 32;  // int4: inputs of a group
inline constexpr int kBias = 128;        // what an int8 code is stored with
inline constexpr size_t kScaleBytes = kPanel * sizeof(float);
inline constexpr size_t kGroupBytes = kPanel + kPanel * kGroupInputs / 2;  // of one group of a panel
template <Codes kCodes>
inline constexpr int kBytesOfInput = kCodes == Codes::int4 ? int(kGroupBytes) / kGroupInputs : kPanel;  // of a panel

// The most inputs of a product, so that its sum fits in 32 bits: 131072 x 127 x 127 is below 2^31.
inline constexpr int kMostInputs = 131072;

// Inputs of a row of codes, with the zeros that the layout's filling meets.
GPT2RUN_INLINE constexpr int padded_inputs(Codes codes, int K) {
  return padded(K, codes == Codes::int8 ? kFour : kGroupInputs);
}

// Rows of codes, `stride` bytes apart, each with its scale and the sum of its codes. Behind its inputs a row has zeros
// up to a multiple of kGroupInputs.
struct CodedRows {
  const int8_t* codes;
  int64_t stride;
  const float* scales;
  const int32_t* sums;
};

// Bytes of workspace for a product by vectors.
inline constexpr size_t kInt8Workspace = 96 << 10;
static_assert(kInt8Workspace <= kWideElements * sizeof(float), "the workspace of other products is large enough");

// Blocking of products by tiles: the inputs of a block of K, those of a tile, and the rows that are packed at a time,
// in pairs of tiles, so that they take about kTileBytes (packed.hpp).
inline constexpr int kCodeBlock = 384, kTileCodes = 64;
GPT2RUN_INLINE constexpr int code_rows(int K) {
  const int rows = kTileBytes / padded(K, kTileCodes) / kTilePair * kTilePair;
  return rows < kTilePair ? kTilePair : rows < kTileRows ? rows : kTileRows;
}

// Bytes of workspace for a product by tiles of up to `rows` rows and K inputs: a block of unpacked weights, the sums of
// a panel, the packed inputs, and what it takes to align them to a cache line.
constexpr size_t int8_tile_workspace(int rows, int K) {
  const size_t most = padded(rows < kTileRows ? rows : kTileRows, kTilePair), width = padded(K, kTileCodes);
  const size_t limit = kTileBytes < kTilePair * width ? kTilePair * width : kTileBytes;
  return kTileCodes + size_t(kCodeBlock) * kPanel + most * kPanel * sizeof(int32_t) +
         (most * width < limit ? most * width : limit);
}

GPT2RUN_INLINE constexpr size_t panel_bytes(Codes codes, int K) {
  const size_t width = padded_inputs(codes, K);
  return kScaleBytes + (codes == Codes::int8 ? width * kPanel : width / kGroupInputs * kGroupBytes);
}
GPT2RUN_INLINE constexpr size_t packed_bytes(Codes codes, int outputs, int K) {
  return size_t(padded(outputs, kPanel) / kPanel) * panel_bytes(codes, K);
}

// The byte of an int8 code in its panel, and of an int4 group and code. output: within the panel.
GPT2RUN_INLINE constexpr size_t int8_at(int output, int k) {
  return kScaleBytes + (size_t(k / kFour) * kPanel + output) * kFour + k % kFour;
}
GPT2RUN_INLINE constexpr size_t int4_group_at(int output, int k) {
  return kScaleBytes + size_t(k / kGroupInputs) * kGroupBytes + output;
}
GPT2RUN_INLINE constexpr size_t int4_at(int output, int k) {
  const int within = k % kGroupInputs;
  return int4_group_at(0, k) + kPanel + (size_t(within / 8) * kPanel + output) * kFour + k % kFour;
}
GPT2RUN_INLINE constexpr int int4_shift(int k) { return k % 8 < kFour ? 0 : 4; }  // of the code in its byte

}  // namespace gpt2run::cpu
