// Limits for the sizes of a model, which come from unchecked files and command lines. Within them, no product of two
// sizes overflows 64 bits, and three times a width does not overflow 32 bits.
#pragma once
#include <cstdint>
#include <string_view>

#include "gpt2run/error.hpp"
#include "gpt2run/loader.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/select.hpp"

namespace gpt2run::loaders {

inline constexpr int64_t kMaxLayers = 4096;
inline constexpr int64_t kMaxWidth = 1 << 20;    // C, H, F
inline constexpr int64_t kMaxContext = 1 << 24;  // T; the limit of the vocabulary is kMaxVocab

// Returns a size as int32_t. where, key: the file or spec and the setting, for messages, here and below. Throws Error
// unless it is in [1, most].
inline int32_t checked_size(std::string_view where, std::string_view key, int64_t value, int64_t most) {
  if (value < 1 || value > most) fail(where, ": ", key, ": expected 1 to ", most, ", found ", value);
  return static_cast<int32_t>(value);
}

// Returns a token id as int32_t, where -1 means none. Throws Error unless it is below V.
inline int32_t checked_token(std::string_view where, std::string_view key, int64_t value, int32_t V) {
  if (value < -1 || value >= V) fail(where, ": ", key, ": expected a token id below ", V, ", found ", value);
  return static_cast<int32_t>(value);
}

// Returns the epsilon of the layernorms as float. Throws Error unless that is in (0, 1].
inline float checked_epsilon(std::string_view where, std::string_view key, double value) {
  const float epsilon = static_cast<float>(value);
  if (!(epsilon > 0 && epsilon <= 1)) fail(where, ": ", key, ": expected a number in (0, 1], found ", value);
  return epsilon;
}

// Throws Error unless H divides C.
inline void check_heads(std::string_view where, std::string_view key, const ModelConfig& m) {
  if (m.C % m.H) fail(where, ": ", key, ": expected a divisor of the width ", m.C, ", found ", m.H);
}

// Throws Error unless `weight` exists in `layer`.
inline void check_layer(std::string_view where, Weight weight, int layer, const ModelConfig& m) {
  if (static_cast<int>(weight) >= kWeights) fail(where, ": no weight has number ", static_cast<int>(weight));
  const int layers = is_per_layer(weight) ? m.L : 1;
  if (layer < 0 || layer >= layers) {
    fail(where, ": ", name_of(weight), ": expected a layer below ", layers, ", found ", layer);
  }
}

// The bytes from the first element of a tensor to the end of its last one.
inline size_t bytes_between_ends(const Tensor& t) {
  const int64_t last = (t.rows - 1) * t.row_stride + (t.cols - 1) * t.col_stride;
  return static_cast<size_t>(bytes_of(t.type, last + 1));
}

}  // namespace gpt2run::loaders
