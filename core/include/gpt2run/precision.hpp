// Precisions: how arithmetic is done. A precision is a rounding contract (docs/numerics.md) with the kernels that keep
// it; a session is one model in memory with S slots, each with its own KV cache, tokens and length.
#pragma once
#include <memory>
#include <span>

#include "gpt2run/loader.hpp"
#include "gpt2run/sampler.hpp"

namespace gpt2run {

// What a session must be able to hold; everything is allocated at open().
struct Limits {
  int32_t slots;       // S: sequences at a time
  int32_t context;     // positions per slot, at most the model's T
  int32_t rows;        // rows of one step
  int32_t logit_rows;  // rows of one step that ask for logits
  int32_t threads;     // CPU: worker threads, 0 = one per core
  int32_t device;      // ordinal of the GPU
  bool keep_raw;       // the chain changes logits and somebody wants the raw ones
  uint64_t seed;
};

inline constexpr int32_t kSampled = -1;  // the token that the sampler put at this slot's end

struct Row {  // appends at the slot's end: the position is implied
  int32_t slot, token;
  bool logits;  // compute logits for this row
};

// Bitwise promises, proven by the conformance kit: same bits from run to run, for any thread count, with any
// neighbours, prefill = decode.
struct Traits {
  bool run, threads, batch, prefill;
  double tolerance;          // RMS of logits against the reference of the same contract, over the RMS of centred logits
  int32_t weight_bytes = 0;  // of an element of the weight matrices as a step reads them; 0: not told
};

// Sees what every operation wrote. op: one of the seven operations (network.hpp), the same names and order for every
// precision.
struct Tap {
  virtual void tensor(const char* op, int layer, const float* host, int rows,
                      int cols) = 0;  // host: (rows, cols), valid during the call

 protected:
  ~Tap() = default;
};

struct StepTimes {  // milliseconds
  float copy_to_device, forward, copy_to_host, sampling, copy_next_token;
};

// The phases in their order, by the names that they have in results.
using PhaseTime = float StepTimes::*;  // a name of its own: nvcc writes the declaration with parentheses, which warn
struct Phase {
  const char* name;
  PhaseTime time;
};
inline constexpr Phase kPhases[] = {{"copy_to_device", &StepTimes::copy_to_device},
                                    {"forward_pass", &StepTimes::forward},
                                    {"copy_to_host", &StepTimes::copy_to_host},
                                    {"sampling", &StepTimes::sampling},
                                    {"copy_next_token", &StepTimes::copy_next_token}};

struct Session {  // one thread at a time
  virtual ~Session() = default;
  virtual const Traits& traits() const = 0;

  // Before any step: the lasting pointers, rows = Limits::logit_rows (samplers prepare on it).
  virtual LogitBatch layout() const = 0;

  // The slot becomes the first `keep` positions of slot `from` (KV, tokens, logprobs); from == slot: truncate. No
  // logits survive: feed a token next.
  virtual void start(int slot, uint64_t sequence, int from, int keep) = 0;

  // Enqueues one forward pass: prefill, decode, or both. Rows of a slot stand together; the i-th goes to position
  // length + i. The batch has exactly the rows with logits == true, in that order, key.position = the row's position
  // + 1. step() itself writes given tokens to tokens[slot][position] and advances lengths and keys, in `space`, so that
  // a replay advances too. kSampled: the slot's only row, reads tokens[slot][length]. Throws before enqueuing anything:
  // no rows, too many rows or logit rows, slot out of range, full or split, token outside [0, V), kSampled straight
  // after start().
  virtual LogitBatch step(std::span<const Row> rows) = 0;

  // log p(tokens[slot][position]) under the raw rows, into logprobs. A target not fed yet: write() it into
  // tokens[slot][position] first. Rows that are only scored (echo, perplexity) are never handed to a sampler: it would
  // overwrite the text's tokens.
  virtual void score(const LogitBatch&) = 0;

  // The effect of n bodies. A body only calls step (all kSampled), sample and score: a device runs it 0 to n times and
  // replays what it enqueued, so it must not read, count or branch. Equal key: it would enqueue the same (same slots,
  // same samplers). n <= room in every slot. Rethrows what body throws.
  virtual void repeat(int n, uint64_t key, void (*body)(void*), void* arg) {
    (void)key;
    while (n-- > 0) body(arg);
  }

  virtual void read(const void* from, void* host, size_t bytes) = 0;  // waits for all enqueued work
  virtual void write(const void* host, void* to, size_t bytes) = 0;   // host may be reused on return

  virtual bool tap(Tap*) {
    return false;
  }  // null: off; never inside repeat. A tapped run equals an untapped one bit for bit
  virtual void times(StepTimes*) {
  }  // not null: step() waits after its upload and at its end and fills copy_to_device and forward
};

// A precision is called <device>-<type>: fp16 of "cpu-fp16".
constexpr std::string_view type_in_name(std::string_view precision) {
  return precision.substr(precision.rfind('-') + 1);
}

struct Precision {
  virtual ~Precision() = default;
  virtual std::unique_ptr<Session> open(const Checkpoint&,
                                        const Limits&) = 0;  // the checkpoint outlives the session; throws Error
};

}  // namespace gpt2run
