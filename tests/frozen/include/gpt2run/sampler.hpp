// Samplers turn logits into tokens, or into other logits. They run in a chain: all but the last one change the logits,
// and the last one selects a token.
#pragma once
#include "gpt2run/plugin.hpp"

namespace gpt2run {

// Whose row of logits this is. The random stream of a token is named by (seed, sequence, position + shift), never by the
// slot or the row, so that a sequence gets the same tokens in any batch.
struct RowKey {
  uint64_t sequence, seed;  // as the request gave them
  int32_t slot;
  int32_t position;  // of the token to be chosen
  int32_t prompt;    // tokens of the prompt: position - prompt tokens were chosen before this one
  int32_t shift;     // added to position in draws; not 0 once a full context was shifted
};

// One row of logits for every token to be chosen. All pointers are in `space` and fixed for a session's life, because a
// recorded graph holds them; the contents last until the next step(). A batch may be narrowed to consecutive rows:
// logits, raw and keys then move together.
struct LogitBatch {
  float* logits;     // (rows, vocab) FP32; samplers before the last one may change them
  const float* raw;  // (rows, vocab) as computed; equal to logits unless Limits::keep_raw
  int64_t stride;    // elements from a row to the next
  int32_t rows, vocab;
  int32_t slots;         // of the session: a key's slot is in [0, slots)
  const RowKey* keys;    // (rows)
  int32_t* tokens;       // (slots, context + 1): the history is [0, position), the choice goes to [slot][position]
  float* logprobs;       // same shape; filled by Session::score
  int64_t token_stride;  // elements from a slot to the next, in tokens and logprobs
  Space space;
  int32_t device;
  void* stream;  // cudaStream_t, or nullptr
};

// What a sampler writes that found NaN, or no token left. The network reads it as token 0, and the engine ends the
// request with an error.
inline constexpr int32_t kNone = -2;

// One thread at a time. A draw depends on the logits and the row's key only, never on the row's number, the slot or
// other sequences. A sampler may keep state for each slot: it begins at configure(), and sample() then comes once for
// each position, in ascending order.
struct Sampler {
  virtual ~Sampler() = default;

  // Allocate here; sample() must not. Comes before the first sample(), and again for another session.
  virtual void prepare(const LogitBatch& layout) { (void)layout; }

  // A request takes the slot: its rows are sampled with these options from here on, as if the sampler had been created
  // with them. Null: those that it was created with. Options live during the call only. May be called while work of
  // other slots is enqueued on the layout's stream. Throws Error when a sampler has no options by slot, which is the
  // default.
  virtual void configure(int32_t slot, const Options* options) {
    if (options) fail("this sampler takes no options of a request: slot ", slot, " asked for some");
  }

  // Host: changes the logits, or writes a token for every row. CUDA: enqueues that on the stream, in a form that can be
  // captured: no reads by the host, no allocation, no kernel with the attribute of programmatic dependent launch.
  virtual void sample(const LogitBatch&) = 0;
};

}  // namespace gpt2run
