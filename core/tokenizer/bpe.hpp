// Byte-pair encoding over any vocabulary.
#pragma once
#include <memory>

#include "bpe_model.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

// Makes a tokenizer. All ids in the vocabulary must be in range, which the readers of files check.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(BpeModel vocabulary);

}  // namespace gpt2run
