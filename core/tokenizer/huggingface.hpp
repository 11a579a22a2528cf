// Reading and writing Hugging Face's tokenizer files.
#pragma once
#include <filesystem>

#include "bpe.hpp"

namespace gpt2run {

// The files that are read; the last two may be missing.
inline constexpr const char* kHuggingfaceTokenizerNames[] = {"vocab.json", "merges.txt", "added_tokens.json",
                                                             "tokenizer_config.json"};

// Reads vocab.json and merges.txt in a folder, and added_tokens.json and tokenizer_config.json if they exist
// (docs/formats.md). Throws Error with the file, what was expected and what was found.
BpeModel read_huggingface_vocabulary(const std::filesystem::path& folder);

// Returns vocab.json, merges.txt and tokenizer_config.json for a vocabulary. path: where the vocabulary came from, for
// messages. Throws Error for a vocabulary that the files cannot express, such as two ids with the same bytes.
std::vector<TokenizerFile> write_huggingface_vocabulary(const std::string& path, const BpeModel& vocabulary);

}  // namespace gpt2run
