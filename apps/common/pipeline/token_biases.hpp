// Texts of tokens in the sampler logit-bias, which has no tokenizer and knows ids only.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "common/config/create.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

// A list of biases, as "\" king\"=-inf 13=2", with the id of its token in place of each text. A text is a JSON string.
// tokenizer: null if there is none. Throws UsageError for a text that is not the text of one token.
std::string biases_by_id(std::string_view biases, const Tokenizer* tokenizer);

// Does this for the option `bias` of each logit-bias, so that a manifest of the run has the ids.
void set_token_biases(std::span<BoundPlugin> samplers, const Tokenizer* tokenizer);

}  // namespace gpt2run
