// What one row of logits says: its most likely tokens, and how likely a given one is.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace gpt2run {

struct RowToken {
  int32_t id;
  float logprob;  // natural logarithm of its probability
};

struct RowReading {
  std::vector<RowToken> top;  // the most likely first, equal ones by id
  float logprob;              // of the given token
  int32_t rank;               // of the given token: 1 for the most likely one; of equal ones the lower id comes first
};

// Reads a row of logits in three passes over it. count: of the tokens in `top`, at least 1; all if the row has fewer.
// given: the token that is asked for; below 0 it is the most likely one. Log-probabilities are those of
// sdk/log_softmax.hpp within 1e-6 of their size, or 1e-6; sums are in a fixed order, so that the bits are the same
// everywhere. Of a row with a NaN or +infinity nothing can be said: `top` is empty, `logprob` NaN and `rank` 0.
RowReading read_row(std::span<const float> logits, int count, int32_t given);

}  // namespace gpt2run
