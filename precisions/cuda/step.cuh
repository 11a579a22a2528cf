// The kernels around the network: assigning positions and tokens to rows, the embedding, and log-probabilities.
#pragma once
#include "gpt2run/sdk/select.hpp"
#include "state.hpp"

namespace gpt2run::cuda {

inline constexpr int kStepThreads = 256;

// Part of a step's rows, passed as an argument of a kernel.
struct GivenRows {
  struct Given {
    int32_t slot, token;
    int32_t offset;     // the row's position less the slot's length
    int32_t logit_row;  // index among the rows that need logits, or -1
  };
  static constexpr int kMost = 240;  // arguments of a kernel may take 4 KiB on every device
  int32_t first, count;
  Given rows[kMost];
};

// The device's record of a slot.
struct SlotState {
  uint64_t sequence, seed;
  int32_t length, prompt, shift;
};

struct SlotsView {
  SlotState* slots;  // (S)
  int32_t* tokens;   // (S, stride)
  int64_t stride;

  // The key of the row of logits that follows the first `position` tokens.
  GPT2RUN_HD RowKey key(int slot, int position) const {
    const SlotState& s = slots[slot];
    return {s.sequence, s.seed, slot, position, s.prompt, s.shift};
  }
};

// Assigns positions and tokens to rows, writes the given tokens to the token table, and advances the slots' lengths.
// Runs as one block. A token outside the vocabulary is fed as token 0; the engine reads the table and reports it.
GPT2RUN_KERNEL(kStepThreads)
assign_positions_kernel(GivenRows given, SlotsView view, int vocab, DeviceRow* rows, int32_t* logit_rows,
                        RowKey* keys) {
  wait_for_previous_kernel();
  const int i = thread_id();
  int position = 0;
  if (i < given.count) {
    const GivenRows::Given& row = given.rows[i];
    position = view.slots[row.slot].length + row.offset;
    int32_t& token = view.tokens[row.slot * view.stride + position];
    if (row.token != kSampled) token = row.token;
    rows[given.first + i] = {row.slot, position, token >= 0 && token < vocab ? token : 0};
    if (row.logit_row >= 0) {
      logit_rows[row.logit_row] = given.first + i;
      keys[row.logit_row] = view.key(row.slot, position + 1);
    }
  }
  sync_block();  // all threads have read the lengths
  const bool last = i < given.count && (i + 1 == given.count || given.rows[i + 1].slot != given.rows[i].slot);
  if (last) view.slots[given.rows[i].slot].length = position + 1;
}

// The same for a step of sampled tokens, with one row per slot, all of which need logits. The slots are read from
// device memory, so that a recorded step can be replayed for other slots. Each thread handles a different slot, so
// blocks share nothing.
GPT2RUN_KERNEL(kStepThreads)
assign_sampled_kernel(const int32_t* slots, int count, SlotsView view, int vocab, DeviceRow* rows, int32_t* logit_rows,
                      RowKey* keys) {
  wait_for_previous_kernel();
  const int i = block_x() * kStepThreads + thread_id();
  if (i >= count) return;
  const int slot = slots[i], position = view.slots[slot].length;
  const int32_t token = view.tokens[slot * view.stride + position];
  rows[i] = {slot, position, token >= 0 && token < vocab ? token : 0};
  logit_rows[i] = i;
  keys[i] = view.key(slot, position + 1);
  view.slots[slot].length = position + 1;
}

// Part of the slots of a body that is about to be replayed, passed as an argument of a kernel.
struct GivenSlots {
  static constexpr int kMost = 960;
  int32_t first, count;
  int32_t slots[kMost];
};

GPT2RUN_KERNEL(kStepThreads)
set_slots_kernel(GivenSlots given, int32_t* slots) {
  wait_for_previous_kernel();
  for (int i = thread_id(); i < given.count; i += kStepThreads) slots[given.first + i] = given.slots[i];
}

GPT2RUN_KERNEL(1)
start_kernel(SlotsView view, int slot, SlotState state) {
  wait_for_previous_kernel();
  view.slots[slot] = state;
}

// Each block computes one row: x = wte[token] + wpe[position].
template <class Value>
GPT2RUN_KERNEL(kStepThreads)
embed_kernel(const Value* wte, const Value* wpe, int stride, const DeviceRow* rows, float* x, int x_stride, int C) {
  wait_for_previous_kernel();
  const DeviceRow row = rows[block_x()];
  const Value *token = wte + int64_t{row.token} * stride, *position = wpe + int64_t{row.position} * stride;
  for (int c = thread_id(); c < C; c += kStepThreads)
    x[int64_t{block_x()} * x_stride + c] = widen(token[c]) + widen(position[c]);
}

// Reduces the values of all threads in a fixed order, and returns the result to every thread. scratch: (kStepThreads)
// in shared memory.
template <class Combine>
GPT2RUN_DEVICE double reduce_block(double value, double* scratch, Combine combine) {
  sync_block();
  scratch[thread_id()] = value;
  sync_block();
  for (int half = kStepThreads / 2; half > 0; half /= 2) {
    if (thread_id() < half) scratch[thread_id()] = combine(scratch[thread_id()], scratch[thread_id() + half]);
    sync_block();
  }
  return scratch[0];
}

// Each block scores one row: it writes the natural logarithm of softmax(raw) at the token that follows the row, or NaN
// if that token is outside the vocabulary.
GPT2RUN_KERNEL(kStepThreads)
score_kernel(LogitBatch batch) {
  wait_for_previous_kernel();
  const RowKey key = batch.keys[block_x()];
  const int64_t at = key.slot * batch.token_stride + key.position;
  const float* raw = batch.raw + block_x() * batch.stride;
  const int32_t id = batch.tokens[at];
  double* scratch = Shared(shared_memory()).take<double>(kStepThreads);
  double most = -INFINITY, sum = 0;
  const bool broken = id < 0 || id >= batch.vocab;
  for (int v = thread_id(); v < batch.vocab; v += kStepThreads) most = most < raw[v] ? raw[v] : most;
  most = reduce_block(most, scratch, [](double a, double b) { return a < b ? b : a; });
  for (int v = thread_id(); v < batch.vocab; v += kStepThreads)
    sum += raw[v] <= most ? exp_nonpositive(raw[v] - most) : NAN;
  sum = reduce_block(sum, scratch, [](double a, double b) { return a + b; });
  if (thread_id() == 0) batch.logprobs[at] = broken ? NAN : static_cast<float>(raw[id] - most - std::log(sum));
}

}  // namespace gpt2run::cuda
