// Continuations of one prompt for people to read.
#pragma once
#include <span>
#include <string>

#include "gpt2compare/continuations.hpp"

namespace gpt2run {

// One prompt's continuations in columns of `width` characters together, the first other token in brackets, and a line
// for each test. continuations: of all instances; names likewise.
std::string side_by_side(const Prompt& prompt, std::span<const std::string> names,
                         std::span<const Continuation> continuations, const Tokenizer* tokenizer, int width);

}  // namespace gpt2run
