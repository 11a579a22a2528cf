// The alternatives at a token: the most likely tokens of its row of logits.
#pragma once
#include <string>

#include "gpt2run/sink.hpp"

namespace gpt2run {

// A JSON array of the `count` most likely tokens (all, if the vocabulary has fewer), the most likely first and equal
// ones by id. docs/formats.md describes its objects. "null" for an event without logits.
std::string alternatives(const TokenEvent& event, int count);

}  // namespace gpt2run
