// llm.c's tokenizer file: 256 little-endian uint32 (magic, version, number of ids, end of text; the others 0), then for
// each id one byte with its length and its bytes. It has no merges: they are recovered, since in a vocabulary like
// GPT-2's an id is the rank of its merge.
#pragma once
#include <filesystem>
#include <string>

#include "bpe.hpp"

namespace gpt2run {

inline constexpr uint32_t kLlmcTokenizerMagic = 20240328;
inline constexpr const char* kLlmcTokenizerName = "gpt2_tokenizer.bin";  // as llm.c's script names it

// The file's first number; 0: it has none.
uint32_t first_word(std::string_view bytes);

// bytes: of the file at path, which is named in errors. Throws Error: field, expected, found.
BpeModel read_llmc_vocabulary(const std::string& path, std::string_view bytes);

// The file, version 2. path: where the vocabulary is from, for errors. Throws Error for what the file cannot say: no
// end of text, other special tokens, empty tokens and such of more than 255 bytes, merges that its ids do not tell.
std::string write_llmc_vocabulary(const std::string& path, const BpeModel& vocabulary);

}  // namespace gpt2run
