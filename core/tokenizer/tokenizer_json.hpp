// Reading tokenizer.json, the single file of Hugging Face tokenizers.
#pragma once
#include <filesystem>
#include <variant>

#include "bpe_model.hpp"
#include "wordpiece.hpp"

namespace gpt2run {

using TokenizerModel = std::variant<BpeModel, WordPieceModel>;

// Reads tokenizer.json in a folder, and the files of TokenSettings (docs/formats.md). Throws Error with the file, what
// was expected and what was found, and UnreadTokenizer for settings that are not read.
TokenizerModel read_tokenizer_json(const std::filesystem::path& folder);

}  // namespace gpt2run
