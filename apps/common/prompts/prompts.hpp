// What a run continues: the prompts of the command line and of files, of a recorded run, or the model's start of text.
#pragma once
#include <vector>

#include "common/config/config.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// Ids with blanks, line ends or commas between; may be none. origin: for messages. Throws UsageError for what is no
// number, Error for an id outside [0, vocabulary).
std::vector<int32_t> parse_tokens(std::string_view text, std::string_view origin, int32_t vocabulary);

// What the tokens say; without a tokenizer nothing. A model may have more rows than the tokenizer has words: those show
// nothing either.
std::string text_of(const std::vector<int32_t>& tokens, const Tokenizer* tokenizer);

// Where the prompts come from; fallback: a recorded run, or none are given.
Layer layer_of_prompts(const Configuration& configuration);

// --prompt, --tokens and --prompts of that layer, in this order; none where none are given. tokenizer: null when the
// model has none. Every token is in the model's vocabulary. Throws Error or UsageError naming the option, or the file
// and its line.
std::vector<Prompt> given_prompts(const Configuration& configuration, const Tokenizer* tokenizer,
                                  const ModelConfig& model);

// As above; where none are given, those of a recorded run or the model's start of text. Cuts them with
// --truncate_prompt.
std::vector<Prompt> prompts_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model,
                               const Generation& generation);

// What programs measure on: the bytes of --text as one text, or the given prompts, each a text of its own. Throws as
// above, and UsageError unless there is one of the two.
std::vector<Prompt> texts_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model);

}  // namespace gpt2run
