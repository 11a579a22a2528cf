// What is measured of one precision at one number of threads. One round opens a session of its own, so that a round is
// a cold start too and precisions can take turns.
#pragma once
#include <string>
#include <vector>

#include "common/pipeline/compose.hpp"

namespace gpt2run {

struct Workload {
  int32_t prompt;      // tokens of the long prompt
  int32_t new_tokens;  // of one decode
  int32_t batch;       // sequences of the batched decode
  int32_t passes;      // times that prefill and decode are done in a round, after one that warms up
  int32_t device;      // ordinal of the GPU
};

// The tokens of the short prompt.
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

// Values of one measure, in the order they were taken.
struct Samples {
  std::vector<double> values;
  double median() const;
  double least() const;
  double greatest() const;
};

// One precision at one number of threads.
struct Series {
  BoundPlugin precision;
  int threads;           // as asked: 0 is one per core
  int weight_bytes = 0;  // as its sessions tell (Traits); 0: not told, or none was opened yet
  Samples samples[kMeasures];
};

// What a session for this work must hold. Throws UsageError when the work is longer than the model's context.
Limits limits_of(const Workload& work, const ModelConfig& config, int threads);

// Adds one round to the series:
//   cold_start    from making the precision to the first token after a short prompt: converts the weights, allocates;
//                 the model's tensors are in memory already
//   memory        what the process has grown by meanwhile, 0 where the system does not tell
//   prefill       prompt / time, logits of the last position only, from an empty slot
//   decode        new tokens / time after the short prompt, the sampler included; decode_long: after the long prompt;
//                 decode_batch: of all sequences together, after a short prompt each
// Throws Error.
void add_round(Series& series, const Checkpoint& checkpoint, std::span<const BoundPlugin> samplers,
               const Workload& work);

}  // namespace gpt2run
