// gpt2bench --decode: tokens per second of decode, by context length and number of sequences, with and without replay.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "gpt2bench/measure.hpp"

namespace gpt2run {

// One case to measure.
struct DecodeShape {
  int32_t context;    // the length of each sequence at its end
  int32_t sequences;  // how many decode at the same time
};

// The measurements of one precision in one case.
struct Decode {
  size_t series;  // index of the Series
  DecodeShape shape;
  bool repeats;     // whether steps are replayed by Session::repeat(), instead of waiting for every token
  Samples samples;  // tokens per second of all sequences together
};

// Parses contexts and numbers of sequences, such as "128x1,1024x8". Throws UsageError for anything else, for a case
// that is given twice, and for a context that exceeds the model's or leaves no room for a prompt before new_tokens.
std::vector<DecodeShape> parse_decodes(std::string_view text, const ModelConfig& config, int32_t new_tokens);

// The bytes of weights, keys and values that one step of the series reads, as the mean over new_tokens.
double bytes_per_step(const ModelConfig& config, const DecodeShape& shape, int32_t new_tokens, const Series& series);

// Measures every shape with and without replay, `repetitions` times each after a warm-up, and appends the results to
// `decodes`. index: that of the series. A session is opened for each context, with slots for the largest number of
// sequences.
void add_decodes(std::vector<Decode>& decodes, size_t index, Series& series, const Checkpoint& checkpoint,
                 std::span<const BoundPlugin> samplers, std::span<const DecodeShape> shapes, const Workload& work,
                 int repetitions);

}  // namespace gpt2run
