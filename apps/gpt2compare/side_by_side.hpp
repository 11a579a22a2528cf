// Continuations of one prompt in columns, for reading.
#pragma once
#include <span>
#include <string>

#include "gpt2compare/continuations.hpp"

namespace gpt2run {

// Formats the continuations of one prompt as columns that are together `width` characters wide. The first token that
// differs is in brackets, and a line below describes it for each test. names, continuations: of all instances, the
// reference first.
std::string side_by_side(const Prompt& prompt, std::span<const std::string> names,
                         std::span<const Continuation> continuations, const Tokenizer* tokenizer, int width);

}  // namespace gpt2run
