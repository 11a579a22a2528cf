// The attention weights of a sequence, layer by layer.
#pragma once
#include <map>
#include <string>
#include <vector>

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

}  // namespace gpt2run
