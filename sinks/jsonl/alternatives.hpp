// What the model would have said instead: the most likely tokens of one row.
#pragma once
#include <string>

#include "gpt2run/sink.hpp"

namespace gpt2run {

// A JSON array of the `count` most likely tokens (all, if the vocabulary has fewer), the likeliest first, equal ones by
// id: docs/formats.md describes its objects. "null" for an event without logits.
std::string alternatives(const TokenEvent& event, int count);

}  // namespace gpt2run
