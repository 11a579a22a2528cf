// Perplexity's protocols: which tokens of a text are targets, and what stands before each of them. The same text has
// another perplexity under each, so results name theirs.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// original   every token of a text but its first, after all that stand before it. The program of the study that this
//            project follows ran the network once per prefix; causal attention gives the same in one walk
// hf_stride  Hugging Face's guide to perplexity: windows of max_length tokens, each begins `stride` later; targets are
//            the tokens that no window has scored, a window's first token never is one
// llama      llama-perplexity: windows of max_length tokens that do not overlap, what is left at the end is dropped;
//            the first half and the token behind it are context only. No token stands before them, as GPT-2 asks for
//            none
// document   every text begins with the model's end-of-text token, put before it where it is not there, and goes
//            through hf_stride: all of its own tokens are targets
enum class Protocol : uint8_t { original, hf_stride, llama, document };
inline constexpr char kProtocols[] = "original|hf-stride|llama|document";

struct Rule {
  Protocol protocol;
  int32_t max_length;  // tokens of a window, at least 2
  int32_t stride;      // in [1, max_length]
};

// One walk through the network: tokens [begin, begin + length) of a text. Targets are [first, length), counted from
// begin.
struct Window {
  size_t text;
  int32_t begin, length, first;
};

// What document changes about the texts; the other protocols nothing. end_of_text: -1, the model has none.
void prepare(const Rule& rule, int32_t end_of_text, std::span<Prompt> texts);

// All windows that have a target, text by text. Throws Error for a text that is too long for original, and when there
// is no target at all.
std::vector<Window> windows_of(const Rule& rule, std::span<const Prompt> texts);

}  // namespace gpt2run
