// Prompt sets as files: made from prompts of any format that gpt2run reads, and turned back into lines.
#pragma once
#include <string>

#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

struct PackRequest {
  std::string in, out;    // out of unpack: "" or "-" is standard output
  std::string tokenizer;  // path of the one that is given too: its files are not written over
  int32_t t = 0;          // tokens of a row; unpack: 0 is as the header says
  bool special = true, truncate = false;
};

// Writes the set of --in to --out, whole or not at all. Throws Error naming the prompt that does not fit; UsageError.
void pack(const PackRequest& request, const Tokenizer& tokenizer);

// The texts of a set, or of several by a pattern, a line each. Throws Error, also for a text that holds a line end.
std::string unpack(const PackRequest& request, const Tokenizer& tokenizer);

}  // namespace gpt2run
