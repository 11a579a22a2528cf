// Samplers: they change logits, or choose a token from them. Samplers run in a chain, in which all but the last change
// the logits and the last one selects a token.
#pragma once
#include "gpt2run/plugin.hpp"

namespace gpt2run {

// The identity of a row of logits. The random stream of a token is named by (seed, sequence, position + shift) and
// never by the slot or the row, so that a sequence gets the same tokens in any batch.
struct RowKey {
  uint64_t sequence, seed;  // from the request
  int32_t slot;
  int32_t position;  // of the token to choose
  // Tokens in the prompt; position - prompt tokens have been chosen so far. Below 0 once a full context has been
  // shifted beyond the prompt's end.
  int32_t prompt;
  int32_t shift;  // added to position in random draws; not 0 once a full context has been shifted
};

// The logits of one step: a row for every token to choose. All pointers are in `space`, and stay the same for the life
// of the session, because recorded graphs hold them. What they point to is valid until the next step(). A batch may be
// narrowed to some consecutive rows, by advancing logits, raw and keys together.
struct LogitBatch {
  float* logits;     // (rows, vocab) FP32; samplers before the last one may change them
  const float* raw;  // (rows, vocab) as computed; the same memory as logits unless Limits::keep_raw
  int64_t stride;    // elements from one row to the next, in logits and raw
  int32_t rows, vocab;
  int32_t slots;         // of the session; a key's slot is in [0, slots)
  const RowKey* keys;    // (rows)
  int32_t* tokens;       // (slots, context + 1): [0, position) is the history; the choice goes to [slot][position]
  float* logprobs;       // (slots, context + 1), written by Session::score
  int64_t token_stride;  // elements from one slot to the next, in tokens and logprobs
  Space space;
  int32_t device;
  void* stream;  // cudaStream_t, or nullptr
};

// Written by a sampler in place of a token if it found NaN or no token to choose. The network reads it as token 0, and
// the engine ends the request with an error.
inline constexpr int32_t kNone = -2;

// A sampler. One thread at a time. A draw depends only on the logits and the row's key, never on the row's number, the
// slot or other sequences. A sampler may keep state for each slot. Such state begins with configure(); sample() then
// comes once for each position, in ascending order, and again where no token could be chosen, to find out why. A
// sampler serves one session at a time, the one that it was prepared for last.
struct Sampler {
  virtual ~Sampler() = default;

  // Allocates memory, because sample() must not. Called before the first sample(), and again for another session.
  virtual void prepare(const LogitBatch& layout) { (void)layout; }

  // A new request takes the slot: from now on its rows are sampled as if the sampler had been created with these
  // options, or with its original ones if null. The options are valid during the call only. Work for other slots may be
  // enqueued on the layout's stream during the call. A sampler that does not support options of requests throws Error,
  // as this default does.
  virtual void configure(int32_t slot, const Options* options) {
    if (options) fail("this sampler takes no options of a request: slot ", slot, " asked for some");
  }

  // Changes the logits, or writes a token for every row. A CUDA sampler enqueues this on the stream in a form that can
  // be captured: without reads by the host, allocation, or kernels with the attribute of programmatic dependent launch.
  virtual void sample(const LogitBatch&) = 0;
};

}  // namespace gpt2run
