// Converts prompts of any format that gpt2run reads into a prompt set file, and a prompt set into lines of text.
#pragma once
#include <string>

#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

// What pack() and unpack() read and write.
struct PackRequest {
  std::string in, out;    // a file or a pattern, as --prompts takes it; the file that pack() writes
  std::string tokenizer;  // the path of the tokenizer, so that its files are not overwritten
  int32_t t = 0;          // tokens per row; for unpack() 0 is the number in the header
  // special: whether special tokens in a text are recognised. truncate: whether a prompt that is too long keeps its
  // last t tokens, instead of being an error.
  bool special = true, truncate = false;
};

// Writes the prompts of request.in as a prompt set to request.out. The file appears only when it is complete. Throws
// Error naming a prompt that does not fit, and UsageError for a wrong request.
void pack(const PackRequest& request, const Tokenizer& tokenizer);

// The texts of the prompt sets of request.in, one per line. Throws Error for a file that is not a prompt set, and for a
// text that contains a line end.
std::string unpack(const PackRequest& request, const Tokenizer& tokenizer);

}  // namespace gpt2run
