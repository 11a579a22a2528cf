// What a run continues: the prompts of the command line, of a recorded run, or the model's start of text.
#pragma once
#include <vector>

#include "gpt2run/pipeline.hpp"
#include "host/config.hpp"

namespace gpt2run {

// tokenizer: null when the model has none. Every token is in the model's vocabulary. Throws Error or UsageError naming
// the option.
std::vector<Prompt> prompts_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model,
                               const Generation& generation);

}  // namespace gpt2run
