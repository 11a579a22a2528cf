// What the lens saw of a sequence, and the texts of its tokens.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../common/token_text.hpp"
#include "gpt2run/sdk/layer_reader.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {

struct LensRecord {
  std::string name;                           // the prompt's own id as JSON, or empty
  std::map<int32_t, LensPosition> positions;  // by position in the sequence
};

// The texts of the tokens that were met.
class TokenTexts {
 public:
  // Keeps the text of a token. vocabulary: null without a tokenizer.
  void learn(const Vocabulary* vocabulary, int32_t id) {
    if (vocabulary && id >= 0) texts_.try_emplace(id, vocabulary->piece(id));
  }
  // The bytes of a token, or null if it has no text.
  const std::string_view* find(int32_t id) const {
    const auto found = texts_.find(id);
    return found == texts_.end() ? nullptr : &found->second;
  }
  // As token_name().
  std::string shown(int32_t id) const {
    const std::string_view* text = find(id);
    return token_name(id, text ? *text : std::string_view());
  }

 private:
  std::unordered_map<int32_t, std::string_view> texts_;  // texts of a Vocabulary live as long as the run
};

// The name of the residual stream after so many layers: "embed", "h.0", "h.1".
inline std::string name_after(size_t layers) {
  return layers == 0 ? "embed" : std::string("h.").append(std::to_string(layers - 1));
}

}  // namespace gpt2run
