// The measurements of one precision at one number of threads. They are taken in rounds, each with a session of its own,
// so that every round includes a cold start and precisions can take turns.
#pragma once
#include <string>
#include <vector>

#include "common/pipeline/compose.hpp"

namespace gpt2run {

// What a round generates.
struct Workload {
  int32_t prompt;      // length of the long prompt in tokens
  int32_t new_tokens;  // tokens of one decode
  int32_t batch;       // sequences of the batched decode
  int32_t passes;      // how often prefill and decode are measured in a round, after a warm-up
  int32_t device;      // ordinal of the GPU
};

// The length of the short prompt in tokens.
inline constexpr int32_t kShort = 8;

enum class Measure : uint8_t { cold_start, memory, prefill, decode, decode_long, decode_batch };
inline constexpr int kMeasures = 6;

constexpr const char* name_of(Measure measure) {
  constexpr const char* names[] = {"cold_start", "memory", "prefill", "decode", "decode_long", "decode_batch"};
  return names[static_cast<size_t>(measure)];
}
constexpr const char* unit_of(Measure measure) {
  return measure == Measure::cold_start ? "ms" : measure == Measure::memory ? "MB" : "tokens/s";
}

// The values of one measure, in the order in which they were taken.
struct Samples {
  std::vector<double> values;
  double median() const;
  double least() const;
  double greatest() const;
};

// One precision at one number of threads.
struct Series {
  BoundPlugin precision;
  int threads;             // as the user gave it: 0 is one per core
  int64_t step_bytes = 0;  // Traits::step_bytes; 0 when not known or not opened yet
  Samples samples[kMeasures];
  int cache_bytes = 0;  // of one element of a key or value, by the session's traits
};

// The limits of a session for this work. Throws UsageError when it exceeds the model's context.
Limits limits_of(const Workload& work, const ModelConfig& config, int threads);

// Measures one round and adds it to the series:
//   cold_start    the time from creating the precision to the first token after the short prompt, with the conversion
//                 of weights and all allocation; the model's tensors are in memory before
//   memory        the growth of the process over the round; 0 where the system does not tell
//   prefill       tokens of the long prompt per second, from an empty slot, with logits of the last position only
//   decode        new tokens per second after the short prompt, sampler included
//   decode_long   the same after the long prompt
//   decode_batch  the same for all sequences of a batch together, after a short prompt each
// Throws Error.
void add_round(Series& series, const Checkpoint& checkpoint, std::span<const BoundPlugin> samplers,
               const Workload& work);

}  // namespace gpt2run
