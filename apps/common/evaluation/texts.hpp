// The texts of a comparison, cut so that the model can see them.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/token_metrics.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// Tokens that are fed together: all but the first are targets.
struct Window {
  int32_t text, begin;  // index of the text, position of the first token in it
  std::vector<int32_t> tokens;
};

// Of the target tokens[i].
inline TargetPosition position_of(const Window& window, int32_t i) { return {window.text, window.begin + i, i - 1}; }

// Every token of a text but its first is a target once: a window has up to `context` tokens before its last target, and
// the next window begins with that target. limit: targets at most, 0 for all. Texts of one token have none.
std::vector<Window> windows_of(std::span<const Prompt> texts, int32_t context, int64_t limit);

int64_t targets_of(std::span<const Window> windows);

// The first `count` targets of them.
std::vector<Window> first_targets(std::span<const Window> windows, int64_t count);

// What a reader needs to find a place: the last tokens before the target and the target. "" without a tokenizer.
std::string text_around(std::span<const Prompt> texts, const TargetPosition& place, const Tokenizer* tokenizer);

// A token as text, or "#ID" where there is none.
std::string token_text(int32_t id, const Tokenizer* tokenizer);

}  // namespace gpt2run
