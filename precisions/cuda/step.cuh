// The kernels around the network: rows find their places in the slots, tokens become vectors, log-probabilities.
#pragma once
#include "gpt2run/sdk/select.hpp"
#include "state.hpp"

namespace gpt2run::cuda {

inline constexpr int kStepThreads = 256;

// A part of a step's rows, handed over as the kernel's argument.
struct GivenRows {
  struct Given {
    int32_t slot, token;
    int32_t offset;  // from the slot's length
    int32_t wanted;  // index among the rows that ask for logits, or -1
  };
  static constexpr int kMost = 240;  // 4 KiB of arguments is what every device takes
  int32_t first, count;
  Given rows[kMost];
};

// Of a slot on the device.
struct SlotState {
  uint64_t sequence, seed;
  int32_t length, prompt, shift;
};

struct SlotsView {
  SlotState* slots;  // (S)
  int32_t* tokens;   // (S, stride)
  int64_t stride;

  // The key of the row behind `position` tokens.
  GPT2RUN_HD RowKey key(int slot, int position) const {
    const SlotState& s = slots[slot];
    return {s.sequence, s.seed, slot, position, s.prompt, s.shift};
  }
};

// One block. Every row gets position and token, the table its given tokens, a slot's length goes up by its rows. A
// token that no vocabulary has is read as 0: whoever reads the table reports it.
GPT2RUN_KERNEL(kStepThreads)
assign_positions_kernel(GivenRows given, SlotsView view, int vocab, DeviceRow* rows, int32_t* wanted, RowKey* keys) {
  const int i = thread_id();
  int position = 0;
  if (i < given.count) {
    const GivenRows::Given& row = given.rows[i];
    position = view.slots[row.slot].length + row.offset;
    int32_t& token = view.tokens[row.slot * view.stride + position];
    if (row.token != kSampled) token = row.token;
    rows[given.first + i] = {row.slot, position, token >= 0 && token < vocab ? token : 0};
    if (row.wanted >= 0) {
      wanted[row.wanted] = given.first + i;
      keys[row.wanted] = view.key(row.slot, position + 1);
    }
  }
  sync_block();  // every length is read
  const bool last = i < given.count && (i + 1 == given.count || given.rows[i + 1].slot != given.rows[i].slot);
  if (last) view.slots[given.rows[i].slot].length = position + 1;
}

// The same for a step of sampled tokens, one row a slot, all of which ask for logits. The slots are read from memory,
// so that a recorded step may be replayed for others. Blocks share nothing: a thread owns its slot.
GPT2RUN_KERNEL(kStepThreads)
assign_sampled_kernel(const int32_t* slots, int count, SlotsView view, int vocab, DeviceRow* rows, int32_t* wanted,
                      RowKey* keys) {
  const int i = block_x() * kStepThreads + thread_id();
  if (i >= count) return;
  const int slot = slots[i], position = view.slots[slot].length;
  const int32_t token = view.tokens[slot * view.stride + position];
  rows[i] = {slot, position, token >= 0 && token < vocab ? token : 0};
  wanted[i] = i;
  keys[i] = view.key(slot, position + 1);
  view.slots[slot].length = position + 1;
}

// The slots of a body that is about to be replayed, a part of them.
struct GivenSlots {
  static constexpr int kMost = 960;
  int32_t first, count;
  int32_t slots[kMost];
};

GPT2RUN_KERNEL(kStepThreads)
set_slots_kernel(GivenSlots given, int32_t* slots) {
  for (int i = thread_id(); i < given.count; i += kStepThreads) slots[given.first + i] = given.slots[i];
}

GPT2RUN_KERNEL(1)
start_kernel(SlotsView view, int slot, SlotState state) { view.slots[slot] = state; }

// A block takes a row.
template <class Value>
GPT2RUN_KERNEL(kStepThreads)
embed_kernel(const Value* wte, const Value* wpe, int stride, const DeviceRow* rows, float* x, int x_stride, int C) {
  const DeviceRow row = rows[block_x()];
  const Value *token = wte + int64_t{row.token} * stride, *position = wpe + int64_t{row.position} * stride;
  for (int c = thread_id(); c < C; c += kStepThreads)
    x[int64_t{block_x()} * x_stride + c] = widen(token[c]) + widen(position[c]);
}

// Every thread gets what combine makes of all threads' values, in one order.
template <class Combine>
GPT2RUN_DEVICE double over_threads(double value, double* room, Combine combine) {
  sync_block();
  room[thread_id()] = value;
  sync_block();
  for (int half = kStepThreads / 2; half > 0; half /= 2) {
    if (thread_id() < half) room[thread_id()] = combine(room[thread_id()], room[thread_id() + half]);
    sync_block();
  }
  return room[0];
}

// A block takes a row: the natural log of softmax(raw) at the token behind it, NaN where that is none.
GPT2RUN_KERNEL(kStepThreads)
score_kernel(LogitBatch batch) {
  const RowKey key = batch.keys[block_x()];
  const int64_t at = key.slot * batch.token_stride + key.position;
  const float* raw = batch.raw + block_x() * batch.stride;
  const int32_t id = batch.tokens[at];
  double* room = Shared(shared_memory()).take<double>(kStepThreads);
  double most = -INFINITY, sum = 0;
  const bool broken = id < 0 || id >= batch.vocab;
  for (int v = thread_id(); v < batch.vocab; v += kStepThreads) most = most < raw[v] ? raw[v] : most;
  most = over_threads(most, room, [](double a, double b) { return a < b ? b : a; });
  for (int v = thread_id(); v < batch.vocab; v += kStepThreads)
    sum += raw[v] <= most ? exp_nonpositive(raw[v] - most) : NAN;
  sum = over_threads(sum, room, [](double a, double b) { return a + b; });
  if (thread_id() == 0) batch.logprobs[at] = broken ? NAN : static_cast<float>(raw[id] - most - std::log(sum));
}

}  // namespace gpt2run::cuda
