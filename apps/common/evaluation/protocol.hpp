// The protocols of perplexity: which tokens of a text are scored, and with how much context. The same text has a
// different perplexity under each, so results name their protocol. The scored tokens are called targets.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// original   Every token of a text but the first is a target, with all tokens before it as context. The study that this
//            project follows ran the network once per prefix; with causal attention, one forward pass gives the same.
// hf_stride  The protocol of Hugging Face's guide to perplexity: windows of max_length tokens, each of which begins
//            `stride` tokens after the one before. Targets are the tokens that no earlier window has scored, but never
//            the first token of a window.
// llama      The protocol of llama-perplexity: windows of max_length tokens that do not overlap; tokens left over at
//            the end are dropped. The first half of a window and the token after it are context only. No
//            beginning-of-text token is put before them, because GPT-2 has none.
// document   hf_stride after the model's end-of-text token was put before every text that does not begin with it, so
//            that all of the text's own tokens are targets.
enum class Protocol : uint8_t { original, hf_stride, llama, document };
inline constexpr char kProtocols[] = "original|hf-stride|llama|document";

// A protocol with its lengths.
struct Rule {
  Protocol protocol;
  int32_t max_length;  // tokens per window, at least 2
  int32_t stride;      // in [1, max_length]
};

// A protocol by its name, with these lengths, or the default ones of the tool that it comes from for those that are 0.
// model: its T is the longest window. Throws UsageError, naming the option, for an unknown name, and for lengths that
// contradict each other, or that the protocol or the model does not allow.
Rule rule_of(std::string_view protocol, int32_t max_length, int32_t stride, const ModelConfig& model);

// One window of a text: the tokens [begin, begin + length). The targets are [first, length), counted from begin.
struct ScoredWindow {
  size_t text;  // index of the text
  int32_t begin, length, first;
};

// Puts the end-of-text token before the texts, for protocol document only. end_of_text: -1 if the model has none, and
// then nothing changes.
void prepare(const Rule& rule, int32_t end_of_text, std::span<Prompt> texts);

// All windows that have a target, text by text. Throws Error for a text that is too long for protocol original, and
// when there is no target.
std::vector<ScoredWindow> windows_of(const Rule& rule, std::span<const Prompt> texts);

}  // namespace gpt2run
