// Reading and writing Hugging Face's vocab.json and merges.txt.
#pragma once
#include <filesystem>

#include "bpe.hpp"

namespace gpt2run {

// Reads vocab.json and merges.txt in a folder under these names, and the files of TokenSettings (docs/formats.md).
// Throws Error with the file, what was expected and what was found.
BpeModel read_vocab_and_merges(const std::filesystem::path& folder, const std::string& vocab_name,
                               const std::string& merges_name);

// Returns vocab.json, merges.txt and tokenizer_config.json for a vocabulary. path: where the vocabulary came from, for
// messages. Throws Error for a vocabulary that the files cannot express, such as two ids with the same bytes or
// ids without a token.
std::vector<TokenizerFile> write_huggingface_vocabulary(const std::string& path, const BpeModel& vocabulary);

}  // namespace gpt2run
