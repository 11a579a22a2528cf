// Reading meta.pkl, in which nanoGPT keeps the characters that a model was trained on.
#pragma once
#include <filesystem>

#include "character_tokenizer.hpp"

namespace gpt2run {

// Whether a file begins as a pickle, without opening what is no regular file.
bool is_pickle(const std::filesystem::path& path);

// Reads `itos`, a dictionary or list from ids to characters, and `stoi`, its inverse; one of them is enough. Throws
// UnreadTokenizer with the file, what was expected and what was found.
CharacterModel read_meta_pkl(const std::filesystem::path& path);

}  // namespace gpt2run
