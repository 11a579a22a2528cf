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
  bool keep_raw;       // a chain changes logits and somebody wants the raw ones
};

inline constexpr int32_t kSampled = -1;  // the token that the sampler put at this slot's end

struct Row {  // appends at the slot's end: the position is implied
  int32_t slot, token;
  bool logits;  // compute logits for this row
};

// What a session promises. run, threads, batch, prefill are promises about bits, proven by the conformance kit: the same
// bits from run to run, for any thread count, with any neighbours, and prefill = decode.
struct Traits {
  bool run, threads, batch, prefill;
  double tolerance;        // RMS of logits against the reference of the same contract, over the RMS of centred logits
  int64_t step_bytes = 0;  // of weights that a step reads, whatever its rows; 0: not told
  const char* order = "";  // of sums, by the names of docs/numerics.md; "": not told
  bool machine = false;    // the same logits on every processor
  const char* contract = "";  // options with which `reference` keeps the same contract: "type=fp16"; "": none does
};

// Sees what every operation wrote, and may change it.
struct Tap {
  // Asked once when the tap is set: whether the operation is shown. An operation that only taps compute is computed for
  // those that want it.
  virtual bool wants(const char* op) const { return (void)op, true; }

  // op: one of the seven operations (sdk/network.hpp), the same names and order for every precision. layer: -1 outside
  // the layers. host: (rows, cols), valid during the call. True: values were changed, and what follows computes with
  // them; a session that cannot take them back throws Error.
  virtual bool tensor(const char* op, int layer, float* host, int rows, int cols) = 0;

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

// What takes a slot.
struct Start {
  uint64_t sequence, seed;  // as RowKey has them
  int32_t prompt, shift;    // likewise
  int32_t from, keep;       // the slot becomes the first `keep` positions of slot `from`
};

// A piece of memory on its way between a session and the host.
struct Transfer {
  const void* from;
  void* to;
  size_t bytes;
};

struct Session {  // one thread at a time
  virtual ~Session() = default;
  virtual const Traits& traits() const = 0;

  // Before any step: the lasting pointers, rows = Limits::logit_rows (samplers prepare on it).
  virtual LogitBatch layout() const = 0;

  // The slot becomes the first `keep` positions of slot `from` (KV, tokens, logprobs); from == slot: truncate. No
  // logits survive: feed a token next. Throws Error for a slot out of range, and for more positions than `from` holds.
  virtual void start(int slot, const Start&) = 0;

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

  // The effect of n bodies. rows: what the body's one step takes, all kSampled, no slot twice. A body calls step once,
  // then sample and score: a device runs it 0 to n times and replays what it enqueued, with the slots of this call's rows
  // in the place of those that were recorded, so it must not read, count or branch. Equal keys stand for bodies that
  // enqueue the same but for the slots: the same number of rows, the same samplers over the same parts of them, the
  // same scores. A key is never used for anything else by this process. n <= room in every slot. Rethrows what body
  // throws, and throws Error for a body that steps twice or with other rows.
  virtual void repeat(int n, uint64_t key, std::span<const Row> rows, void (*body)(void*), void* arg) {
    (void)key, (void)rows;
    while (n-- > 0) body(arg);
  }

  virtual void read(const void* from, void* host, size_t bytes) = 0;  // waits for all enqueued work
  virtual void write(const void* host, void* to, size_t bytes) = 0;   // host may be reused on return

  // Several at once, with one wait: from the session's memory to the host's, and the other way.
  virtual void read(std::span<const Transfer> pieces) {
    for (const Transfer& piece : pieces) read(piece.from, piece.to, piece.bytes);
  }
  virtual void write(std::span<const Transfer> pieces) {
    for (const Transfer& piece : pieces) write(piece.from, piece.to, piece.bytes);
  }

  // Null: off; never inside repeat. A run with a tap that changes nothing equals one without, bit for bit. False: this
  // session has no taps.
  virtual bool tap(Tap*) { return false; }

  // Not null: step() waits after its upload and at its end and fills copy_to_device and forward.
  virtual void times(StepTimes*) {}
};

// A precision is called <device>-<type>: fp16 of "cpu-fp16".
constexpr std::string_view type_in_name(std::string_view precision) {
  return precision.substr(precision.rfind('-') + 1);
}

// Bytes that a session takes.
struct MemoryUse {
  int64_t weights, kv_cache, logits, activations, tables;
  int64_t total() const { return weights + kv_cache + logits + activations + tables; }
};

struct Precision {
  virtual ~Precision() = default;
  // The checkpoint outlives the session. Throws Error.
  virtual std::unique_ptr<Session> open(const Checkpoint&, const Limits&) = 0;

  // What a session of these limits will take, without opening one. False: not told.
  virtual bool memory(const ModelConfig&, const Limits&, MemoryUse&) const { return false; }
};

}  // namespace gpt2run
