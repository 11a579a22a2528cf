// The attention weights of a sequence, layer by layer.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "gpt2run/sink.hpp"

namespace gpt2run {

// The weights of one layer: for each position, in their order, (heads, position + 1). A position attends to itself and
// to those before it, so the rest of a row is not kept.
using LayerWeights = std::vector<std::vector<float>>;

struct AttentionRecord {
  std::string name;                // the prompt's own id as JSON, or empty
  std::vector<int32_t> ids;        // of the tokens, by position
  std::vector<std::string> texts;  // of the tokens; "#7" for one without text
  std::map<int32_t, LayerWeights> layers;

  int32_t tokens() const { return static_cast<int32_t>(ids.size()); }
};

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
