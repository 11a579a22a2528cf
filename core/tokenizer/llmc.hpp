// Reading and writing llm.c's tokenizer file. It begins with 256 little-endian uint32: magic, version, number of ids,
// end of text, and zeros. Then follow, for each id, one byte with its length and its bytes. The file has no merges.
// They are recovered from the order of the ids, because in a vocabulary like GPT-2's an id is the rank of its merge.
#pragma once
#include <filesystem>
#include <string>

#include "bpe.hpp"

namespace gpt2run {

inline constexpr uint32_t kLlmcTokenizerMagic = 20240328;
inline constexpr const char* kLlmcTokenizerName = "gpt2_tokenizer.bin";  // the name that llm.c's script gives it

// The first number of the file, or 0 if it is shorter.
uint32_t first_word(std::string_view bytes);

// Reads a vocabulary from the bytes of a file. path: the file, for messages. Throws Error with the field, what was
// expected and what was found.
BpeModel read_llmc_vocabulary(const std::string& path, std::string_view bytes);

// Returns the file in version 2. path: where the vocabulary came from, for messages. Throws Error for a vocabulary that
// the file cannot express: no end of text, other special tokens, tokens of more than 255 bytes, or merges that do not
// follow from the order of the ids.
std::string write_llmc_vocabulary(const std::string& path, const BpeModel& vocabulary);

}  // namespace gpt2run
