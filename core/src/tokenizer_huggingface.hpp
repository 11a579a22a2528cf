// Hugging Face's tokenizer files, read and checked into a vocabulary.
#pragma once
#include <filesystem>

#include "tokenizer_bpe.hpp"

namespace gpt2run {

// Hugging Face's vocab.json and merges.txt in a folder, and added_tokens.json and tokenizer_config.json if they are
// there (docs/formats.md). Throws Error naming file, expected and found.
Vocabulary read_huggingface_vocabulary(const std::filesystem::path& folder);

}  // namespace gpt2run
