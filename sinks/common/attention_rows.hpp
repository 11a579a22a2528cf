// Rows of the operation `attention_weights`, as sinks keep them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpt2run {

// The part of `attention_weights` that belongs to a row: values is (heads, keys), zeros behind the row's own position.
// Returns (heads, position + 1).
inline std::vector<float> kept_weights(const float* values, int heads, int keys, int position) {
  std::vector<float> kept;
  kept.reserve(static_cast<size_t>(heads) * static_cast<size_t>(position + 1));
  for (int head = 0; head < heads; ++head) {
    const float* row = values + int64_t{head} * keys;
    kept.insert(kept.end(), row, row + position + 1);
  }
  return kept;
}

}  // namespace gpt2run
