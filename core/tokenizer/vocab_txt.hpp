// Reading BERT's vocab.txt.
#pragma once
#include <filesystem>

#include "token_settings.hpp"
#include "wordpiece.hpp"

namespace gpt2run {

// Reads vocab.txt in a folder, and the files of TokenSettings (docs/formats.md). Throws Error with the file, what was
// expected and what was found, and UnreadTokenizer for another tokenizer that has such a file.
WordPieceModel read_vocab_txt(const std::filesystem::path& folder);

// Takes do_lower_case, tokenize_chinese_chars and strip_accents over, where tokenizer_config.json has them.
void override_bert_text(const TokenSettings& settings, BertText& text);

}  // namespace gpt2run
