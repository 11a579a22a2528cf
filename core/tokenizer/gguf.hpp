// Reading the tokenizer that a GGUF file carries in its metadata.
#pragma once
#include <string>

#include "bpe_model.hpp"

namespace gpt2run {

// Whether a regular file begins as a GGUF file. Does not throw.
bool is_gguf(const std::string& path);

// Reads the tokens, merges and special ids of a GGUF file, without its tensors. Tokens of the kind `unused` behind all
// others are left out: converters fill the vocabulary with them. Throws Error with the file, the key, what was expected
// and what was found.
BpeModel read_gguf_vocabulary(const std::string& path);

}  // namespace gpt2run
