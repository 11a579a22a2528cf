// gpt2bench --decode: tokens per second by context and number of sequences, recorded and token by token.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "gpt2bench/measure.hpp"

namespace gpt2run {

struct DecodeShape {
  int32_t context;    // positions of each sequence when it ends
  int32_t sequences;  // at a time
};

struct Decode {
  size_t series;  // in the order of the precisions
  DecodeShape shape;
  bool repeats;     // through Session::repeat, which a device records; else every token is waited for
  Samples samples;  // tokens per second, of all sequences together
};

// "128x1,1024x8": contexts and sequences. Throws UsageError for what cannot be meant, and for a context that is longer
// than the model's or holds no prompt before new_tokens.
std::vector<DecodeShape> parse_decodes(std::string_view text, const ModelConfig& config, int32_t new_tokens);

// Bytes of weights and of keys and values that one step reads, in the mean over new_tokens; `bytes` of an element.
double bytes_per_step(const ModelConfig& config, const DecodeShape& shape, int32_t new_tokens, int bytes);

// Adds both ways of every shape, each measured `repetitions` times after a warm-up. A session is opened for every
// context, with slots for the most sequences.
void add_decodes(std::vector<Decode>& decodes, size_t index, Series& series, const Checkpoint& checkpoint,
                 std::span<const BoundPlugin> samplers, std::span<const DecodeShape> shapes, const Workload& work,
                 int repetitions);

}  // namespace gpt2run
