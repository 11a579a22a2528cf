// Byte-pair encoding over any vocabulary.
#pragma once
#include <memory>

#include "bpe_model.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

// All ids in the vocabulary must be in range: readers of files check them.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(BpeModel vocabulary);

}  // namespace gpt2run
