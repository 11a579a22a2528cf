// The kernels around the network: rows find their places in the slots, tokens become vectors, log-probabilities.
#pragma once
#include "gpt2run/sdk/select.hpp"
#include "state.hpp"

namespace gpt2run::cuda {

inline constexpr int kStepThreads = 256;

// A part of a step's rows, handed over as the kernel's argument: a graph keeps it.
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

struct SlotsView {
  int32_t* lengths;     // (S)
  uint64_t* sequences;  // (S)
  int32_t* tokens;      // (S, stride)
  int64_t stride;
};

// One block. Every row gets position and token, the table its given tokens, a slot's length goes up by its rows. A
// token that no vocabulary has is read as 0: whoever reads the table reports it.
GPT2RUN_KERNEL(kStepThreads)
place_kernel(GivenRows given, SlotsView slots, int vocab, DeviceRow* rows, int32_t* wanted, RowKey* keys) {
  const int i = thread_id();
  int position = 0;
  if (i < given.count) {
    const GivenRows::Given& row = given.rows[i];
    position = slots.lengths[row.slot] + row.offset;
    int32_t& token = slots.tokens[row.slot * slots.stride + position];
    if (row.token != kSampled) token = row.token;
    rows[given.first + i] = {row.slot, position, token >= 0 && token < vocab ? token : 0};
    if (row.wanted >= 0) {
      wanted[row.wanted] = given.first + i;
      keys[row.wanted] = {slots.sequences[row.slot], row.slot, position + 1};
    }
  }
  sync_block();  // every length is read
  const bool last = i < given.count && (i + 1 == given.count || given.rows[i + 1].slot != given.rows[i].slot);
  if (last) slots.lengths[given.rows[i].slot] = position + 1;
}

GPT2RUN_KERNEL(1)
start_kernel(SlotsView slots, int slot, int length, uint64_t sequence) {
  slots.lengths[slot] = length;
  slots.sequences[slot] = sequence;
}

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
