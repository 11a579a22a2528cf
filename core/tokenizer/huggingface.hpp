// Hugging Face's tokenizer files, read and checked into a vocabulary.
#pragma once
#include <filesystem>

#include "bpe.hpp"

namespace gpt2run {

// Every file that is read; the last two may be missing.
inline constexpr const char* kHuggingfaceTokenizerNames[] = {"vocab.json", "merges.txt", "added_tokens.json",
                                                             "tokenizer_config.json"};

// Hugging Face's vocab.json and merges.txt in a folder, and added_tokens.json and tokenizer_config.json if they are
// there (docs/formats.md). Throws Error naming file, expected and found.
BpeModel read_huggingface_vocabulary(const std::filesystem::path& folder);

// vocab.json, merges.txt and tokenizer_config.json of a vocabulary whose end of text is its only special token. path:
// where it is from, for errors. Throws Error for what the files cannot say: two ids of the same bytes.
std::vector<TokenizerFile> write_huggingface_vocabulary(const std::string& path, const BpeModel& vocabulary);

}  // namespace gpt2run
