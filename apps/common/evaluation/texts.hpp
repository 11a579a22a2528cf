// Windows: the texts of a comparison, cut to the length of the model's context.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/token_metrics.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// Tokens of a text that are fed together. All of them but the first are targets.
struct Window {
  int32_t text, begin;  // the index of the text, and the position of the first token in it
  std::vector<int32_t> tokens;
};

// The position of the target tokens[i].
inline TargetPosition position_of(const Window& window, int32_t i) { return {window.text, window.begin + i, i - 1}; }

// Cuts texts into windows so that every token of a text except the first is a target once. A window feeds up to
// `context` tokens, and the next one begins with its last target. limit: the number of targets at most, 0 for all. A
// text of one token has no target.
std::vector<Window> windows_of(std::span<const Prompt> texts, int32_t context, int64_t limit);

// The number of targets in these windows.
int64_t targets_of(std::span<const Window> windows);

// The windows that contain the first `count` targets.
std::vector<Window> first_targets(std::span<const Window> windows, int64_t count);

// The text of a few tokens before a target and of the target itself, to show where it is. "" without a tokenizer.
std::string text_around(std::span<const Prompt> texts, const TargetPosition& place, const Tokenizer* tokenizer);

// The text of a token, or "#ID" when it has none.
std::string token_text(int32_t id, const Tokenizer* tokenizer);

}  // namespace gpt2run
