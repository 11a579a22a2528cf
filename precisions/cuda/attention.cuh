// Attention of one token over its slot's cache: a block takes 64 positions of one head, the last block to finish joins
// the chunks in ascending order. Chunks are cut by position alone, so a row's sums never depend on its neighbours.
#pragma once
#include "state.hpp"

namespace gpt2run::cuda {

inline constexpr int kAttentionThreads = 128;
inline constexpr int kGroups = kAttentionThreads / kLanes;  // keys at a time
inline constexpr int kKeys = kChunk / kGroups;              // of a group

template <class Value>
struct AttentionView {
  const Value* q;  // (R, H, head)
  CacheView<Value> keys, values;
  const DeviceRow* rows;
  Value* a;        // (R, width)
  float* partial;  // (rows of the launch, H, chunks, D + 2)
  int* arrived;    // (rows of the launch, H)
  int first, D, width;
};

// weights (kChunk) = the scores of the chunk's keys, each by eight lanes
template <class Value>
GPT2RUN_DEVICE void score_keys(const Value* keys, int stride, const float* q, int count, float scale, float* scores) {
  const int lane = thread_id() % kLanes * kVector<Value>, group = thread_id() / kLanes;
  float sums[kKeys] = {};
  for (int i = 0; i < kKeys; ++i) {
    const int t = group + i * kGroups;
    if (t >= count) continue;
    for (int d = lane; d < stride; d += kLine<Value>) {
      float key[kVector<Value>];
      load(keys + int64_t{t} * stride + d, key);
      for (int j = 0; j < kVector<Value>; ++j) sums[i] = std::fma(q[d + j], key[j], sums[i]);
    }
  }
  sum_over_lanes<kLanes>(sums);
  for (int i = 0; i < kKeys; ++i)
    if (thread_id() % kLanes == 0) scores[group + i * kGroups] = sums[i] * scale;
  sync_block();
}

// By the first warp: scores become e^(score - maximum), 0 from count on. A chunk of -infinity weighs nothing.
GPT2RUN_DEVICE void weigh_chunk(float* scores, int count, float& maximum, float& weight) {
  const float nothing = -INFINITY;
  const int t = thread_id();
  if (t < kWarp) {
    const float low = t < count ? scores[t] : nothing, high = t + kWarp < count ? scores[t + kWarp] : nothing;
    float most = low < high ? high : low;
    for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) {
      const float other = shuffle_xor(kWholeWarp, most, lanes);
      most = most < other ? other : most;
    }
    const float base = most == nothing ? 0.0f : most;
    scores[t] = t < count ? exponential(low - base) : 0.0f;
    scores[t + kWarp] = t + kWarp < count ? exponential(high - base) : 0.0f;
    float sum[1] = {scores[t] + scores[t + kWarp]};
    sum_over_lanes<kWarp>(sum);
    if (t == 0) maximum = most, weight = sum[0];
  }
  sync_block();
}

// out (D) = the chunks (count, D + 2), weighed by how far their maxima are below the greatest
template <class Value>
GPT2RUN_DEVICE void join_chunks(const float* chunks, int count, int D, Value* out) {
  float most = -INFINITY, total = 0;
  for (int c = 0; c < count; ++c) {
    const float own = load_fresh(chunks + c * (D + 2) + D);
    most = most < own ? own : most;
  }
  for (int c = 0; c < count; ++c) {
    const float* chunk = chunks + c * (D + 2);
    total = std::fma(exponential(load_fresh(chunk + D) - most), load_fresh(chunk + D + 1), total);
  }
  for (int d = thread_id(); d < D; d += kAttentionThreads) {
    float sum = 0;
    for (int c = 0; c < count; ++c) {
      const float* chunk = chunks + c * (D + 2);
      sum = std::fma(exponential(load_fresh(chunk + D) - most), load_fresh(chunk + d), sum);
    }
    out[d] = narrow<Value>(sum / total);
  }
}

// Grid: (chunks of the whole context, H, rows of the launch); what lies behind the row's own position ends at once.
template <class Value>
GPT2RUN_KERNEL(kAttentionThreads)
attention_kernel(AttentionView<Value> v) {
  const int head = block_y(), row = v.first + block_z(), heads = v.keys.heads, stride = v.keys.stride;
  const int slot = v.rows[row].slot, length = v.rows[row].position + 1, chunks = divided_up(length, kChunk);
  if (block_x() >= chunks) return;
  Shared shared(shared_memory());
  float *q = shared.take<float>(stride), *scores = shared.take<float>(kChunk), *facts = shared.take<float>(2);
  int* last = shared.take<int>(1);
  const int begin = block_x() * kChunk, count = length - begin < kChunk ? length - begin : kChunk;
  for (int d = thread_id(); d < stride; d += kAttentionThreads)
    q[d] = widen(v.q[(int64_t{row} * heads + head) * stride + d]);
  sync_block();
  score_keys(v.keys.at(slot, head, begin), stride, q, count, 1 / std::sqrt(static_cast<float>(v.D)), scores);
  weigh_chunk(scores, count, facts[0], facts[1]);

  const int which = block_z() * heads + head;
  float* of_head = v.partial + int64_t{which} * blocks_x() * (v.D + 2);
  float* own = of_head + block_x() * (v.D + 2);
  const Value* values = v.values.at(slot, head, begin);
  for (int d = thread_id(); d < v.D; d += kAttentionThreads) {
    float sum = 0;
    for (int t = 0; t < count; ++t) sum = std::fma(scores[t], widen(values[int64_t{t} * stride + d]), sum);
    own[d] = sum;
  }
  if (thread_id() == 0) own[v.D] = facts[0], own[v.D + 1] = facts[1];
  fence();
  sync_block();
  if (thread_id() == 0) *last = atomic_add(v.arrived + which, 1) == chunks - 1;
  sync_block();
  if (!*last) return;
  fence();
  join_chunks(of_head, chunks, v.D, v.a + int64_t{row} * v.width + head * v.D);
  if (thread_id() == 0) v.arrived[which] = 0;
}

}  // namespace gpt2run::cuda
