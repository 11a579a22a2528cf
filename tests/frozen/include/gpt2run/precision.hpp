// Precisions: the arithmetic of a model. A precision is a rounding contract (docs/numerics.md) together with kernels
// that keep it. It opens sessions; a session is one model in memory with S slots, each with its own KV cache, tokens
// and length.
#pragma once
#include <memory>
#include <span>

#include "gpt2run/loader.hpp"
#include "gpt2run/sampler.hpp"

namespace gpt2run {

// The largest sizes that a session must handle. All memory is allocated at open().
struct Limits {
  int32_t slots;       // S: sequences at a time
  int32_t context;     // positions per slot, at most the model's T
  int32_t rows;        // rows of one step
  int32_t logit_rows;  // rows of one step that need logits
  int32_t threads;     // CPU: worker threads, 0 = one per core
  int32_t device;      // ordinal of the GPU
  bool keep_raw;       // keep the raw logits, because a sampler changes them and the raw ones are wanted too
};

inline constexpr int32_t kSampled = -1;  // as Row::token: the token that the sampler chose for the slot's next position

// One token to feed. It is appended to the slot, so its position is the slot's length.
struct Row {
  int32_t slot, token;
  bool logits;  // compute logits for this row
};

// The properties of a session. run, threads, batch and prefill are promises of identical bits that the conformance kit
// checks: from run to run, for any number of threads, with any other requests in the batch, and for prefill as for
// decode.
struct Traits {
  bool run, threads, batch, prefill;
  double tolerance;           // RMS error of logits against the reference, relative to the RMS of the centred logits
  int64_t step_bytes = 0;     // bytes of weights that a step reads, whatever its number of rows; 0: unknown
  const char* order = "";     // order of sums, by its name in docs/numerics.md; "": unknown
  bool machine = false;       // the same logits on every processor
  const char* contract = "";  // options that give `reference` the same contract, such as "type=fp16"; "": none
};

// A callback that sees what every operation wrote, and may change it.
struct Tap {
  // Asked once when the tap is set: whether it wants this operation. An operation that exists for taps only, which is
  // attention_weights, is computed only if some tap wants it. By default a tap wants all the others.
  virtual bool wants(const char* op) const { return std::string_view(op) != "attention_weights"; }

  // Called after an operation. op: one of the operations of sdk/network.hpp; names and order are the same for every
  // precision, and one that exists for taps only may be missing, in which case wants() is not asked for it. layer: -1
  // outside the layers. host: (rows, cols), valid during the call. Returns true if it changed values: what follows is
  // computed from them, and a session that cannot take them back throws Error.
  virtual bool tensor(const char* op, int layer, float* host, int rows, int cols) = 0;

 protected:
  ~Tap() = default;
};

// Times of one step, in milliseconds.
struct StepTimes {
  float copy_to_device, forward, copy_to_host, sampling, copy_next_token;
};

// The phases of a step in order, with the names that results use. PhaseTime needs a name because nvcc would write the
// declaration with parentheses, and warn about them.
using PhaseTime = float StepTimes::*;
struct Phase {
  const char* name;
  PhaseTime time;
};
inline constexpr Phase kPhases[] = {{"copy_to_device", &StepTimes::copy_to_device},
                                    {"forward_pass", &StepTimes::forward},
                                    {"copy_to_host", &StepTimes::copy_to_host},
                                    {"sampling", &StepTimes::sampling},
                                    {"copy_next_token", &StepTimes::copy_next_token}};

// A new occupant of a slot.
struct Start {
  uint64_t sequence, seed;  // as in RowKey
  int32_t prompt, shift;    // as in RowKey
  int32_t from, keep;       // copy the first `keep` positions of slot `from`
};

// One copy between a session's memory and the host's.
struct Transfer {
  const void* from;
  void* to;
  size_t bytes;
};

// One model in memory, with S slots. One thread at a time.
struct Session {
  virtual ~Session() = default;
  virtual const Traits& traits() const = 0;

  // The batch for Sampler::prepare, before any step: its pointers stay the same, and rows is Limits::logit_rows.
  virtual LogitBatch layout() const = 0;

  // Begins a sequence in the slot with the first `keep` positions of slot `from` (KV cache, tokens and
  // log-probabilities are copied). If from == slot, the slot is truncated. The slot has no logits afterwards, so a
  // token must be fed next. Throws Error for a slot out of range, and if `from` holds fewer than `keep` positions.
  virtual void start(int slot, const Start&) = 0;

  // Enqueues one forward pass: prefill, decode, or both at once.
  //   Rows of the same slot must be consecutive; the i-th of them goes to position length + i.
  //   kSampled must be its slot's only row; it reads tokens[slot][length].
  //   The returned batch has exactly the rows with logits == true, in the same order, and key.position is the row's
  //   position + 1.
  //   step() writes the given tokens to tokens[slot][position], and advances lengths and keys. It does all of this in
  //   `space`, so that a replay advances too.
  // Throws Error before anything is enqueued: for no rows, for too many rows or logit rows, for a slot out of range or
  // full, for a slot whose rows are not consecutive, for a token outside [0, V), and for kSampled in a slot whose last
  // row had no logits, as is the case straight after start().
  virtual LogitBatch step(std::span<const Row> rows) = 0;

  // Writes log p(tokens[slot][position]) under the raw logits to logprobs, for each row. If the target has not been fed
  // yet, write() it to tokens[slot][position] first. Never hand rows that are only scored (echo, perplexity) to a
  // sampler: it would overwrite the tokens of the text.
  virtual void score(const LogitBatch&) = 0;

  // Has the effect of calling body n times. A body calls step() once with `rows`, then samplers and score().
  //   rows: all kSampled, no slot twice; each slot has room for n more tokens.
  //   A device may run the body 0 to n times, and replay what it enqueued for the remaining times, with the slots of
  //   this call's rows in place of the recorded ones. A body must therefore not read results, count or branch.
  //   key: names what a body enqueues. Bodies with equal keys enqueue the same work except for the slots: the same
  //   number of rows, the same samplers over the same parts of them, the same scores. A process never uses a key for
  //   anything else.
  // Rethrows what body throws. A session that records throws Error for a body that steps twice or with other rows.
  virtual void repeat(int n, uint64_t key, std::span<const Row> rows, void (*body)(void*), void* arg) {
    (void)key, (void)rows;
    while (n-- > 0) body(arg);
  }

  // Waits for all enqueued work, then copies from the session's memory to the host.
  virtual void read(const void* from, void* host, size_t bytes) = 0;
  // Copies from the host to the session's memory. The host's memory may be reused on return.
  virtual void write(const void* host, void* to, size_t bytes) = 0;

  // Several copies with a single wait: from the session's memory to the host, and from the host to the session.
  virtual void read(std::span<const Transfer> pieces) {
    for (const Transfer& piece : pieces) read(piece.from, piece.to, piece.bytes);
  }
  virtual void write(std::span<const Transfer> pieces) {
    for (const Transfer& piece : pieces) write(piece.from, piece.to, piece.bytes);
  }

  // Sets the tap, or removes it if null. Never called inside repeat(). A tap that changes nothing does not change a bit
  // of the results. Returns false if this session has no taps.
  virtual bool tap(Tap*) { return false; }

  // If not null, step() waits after its upload and at its end, and fills in copy_to_device and forward.
  virtual void times(StepTimes*) {}

  // logits (rows, V) = W LNf(x) for values of the residual stream, x (rows, C), both in host memory: what the model
  // would say if it ended there. It changes nothing of the session, and may be called inside Tap::tensor. Returns false
  // if this session cannot.
  virtual bool readout(const float* x, int rows, float* logits) { return (void)x, (void)rows, (void)logits, false; }
};

// The type in the name of a precision, which is <device>-<type>: "fp16" for "cpu-fp16".
constexpr std::string_view type_in_name(std::string_view precision) {
  return precision.substr(precision.rfind('-') + 1);
}

// Memory of a session, in bytes.
struct MemoryUse {
  int64_t weights, kv_cache, logits, activations, tables;
  int64_t total() const { return weights + kv_cache + logits + activations + tables; }
};

struct Precision {
  virtual ~Precision() = default;
  // Opens a session. The checkpoint must outlive it. Throws Error.
  virtual std::unique_ptr<Session> open(const Checkpoint&, const Limits&) = 0;

  // Fills in the memory that a session with these limits would take, without opening it. Returns false if unknown.
  virtual bool memory(const ModelConfig&, const Limits&, MemoryUse&) const { return false; }
};

}  // namespace gpt2run
