// Samplers: logits become tokens, or other logits. They run in a chain: all but the last only change logits, the last
// one selects.
#pragma once
#include "gpt2run/plugin.hpp"

namespace gpt2run {

struct RowKey {
  uint64_t sequence;  // global number of the prompt and sample: the random stream hangs on it, never on the slot
  int32_t slot;
  int32_t position;  // of the token to be chosen
};

// One row of logits for every token to be chosen. All pointers are in `space` and fixed for a session's life (a graph
// holds them); contents last until the next step(). May be narrowed to consecutive rows: logits, raw and keys move
// together.
struct LogitBatch {
  float* logits;     // (rows, vocab) FP32; processors may change it
  const float* raw;  // (rows, vocab) as computed (== logits unless Limits::keep_raw)
  int64_t stride;    // elements from a row to the next
  int32_t rows, vocab;
  const RowKey* keys;    // (rows)
  int32_t* tokens;       // (slots, context + 1): history [0, position); the choice goes to [slot][position]
  float* logprobs;       // same shape: filled by Session::score
  int64_t token_stride;  // elements from a slot to the next, in tokens and logprobs
  uint64_t seed;
  Space space;
  int32_t device;
  void* stream;  // cudaStream_t, or nullptr
};

// Written by a sampler that found NaN or nothing left: embed reads it as 0, the pipeline throws with sequence and
// position.
inline constexpr int32_t kNone = -2;

// One thread at a time. A draw depends on (logits, seed, sequence, position) only: never on the row, the slot or
// earlier calls.
struct Sampler {
  virtual ~Sampler() = default;
  virtual void prepare(const LogitBatch& layout) {
    (void)layout;
  }  // once per session: allocate here; sample() must not
  // CUDA: enqueue on stream; capturable: no host reads, no allocation, no kernel with the PDL attribute.
  virtual void sample(const LogitBatch&) = 0;
};

}  // namespace gpt2run
