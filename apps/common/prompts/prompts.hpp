// The prompts of a run: from the command line, from files, from a recorded run, or the model's start-of-text token.
#pragma once
#include <vector>

#include "common/config/config.hpp"
#include "common/prompts/prompt_file.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// Parses token ids that are separated by blanks, line ends or commas; there may be none. origin: for messages. Throws
// UsageError for anything but a number, and Error for an id outside [0, vocabulary).
std::vector<int32_t> parse_tokens(std::string_view text, std::string_view origin, int32_t vocabulary);

// The tokens of a prompt's text. Throws Error naming the prompt's origin for a text that the tokenizer cannot encode.
std::vector<int32_t> encode(const Tokenizer& tokenizer, const WrittenPrompt& prompt, bool special);

// The text of these tokens; empty without a tokenizer. A model's vocabulary may be larger than the tokenizer's, and the
// ids beyond it have no text.
std::string text_of(const std::vector<int32_t>& tokens, const Tokenizer* tokenizer);

// Where the prompts come from: the strongest layer that has any. Layer::fallback means that none are given, so that
// those of a recorded run are used, if there is one.
Layer layer_of_prompts(const Configuration& configuration);

// The prompts of --prompt, --tokens and --prompts in that layer, in this order; none when none are given. tokenizer:
// null when the model has none. All token ids are in the model's vocabulary. Throws Error or UsageError naming the
// option, or the file and the line.
std::vector<Prompt> given_prompts(const Configuration& configuration, const Tokenizer* tokenizer,
                                  const ModelConfig& model);

// As given_prompts(), but when none are given, the prompts of a recorded run or else the model's start-of-text token.
// With --truncate_prompt they are shortened to leave room for new tokens.
std::vector<Prompt> prompts_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model,
                               const Generation& generation);

// The texts to evaluate a model on: the file --text as one text, or each given prompt as a text of its own. Throws as
// given_prompts() does, and UsageError when neither or both are given.
std::vector<Prompt> texts_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model);

}  // namespace gpt2run
