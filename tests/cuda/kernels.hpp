// Small correct kernels, and the same kernels with one rule broken by a template parameter.
#pragma once
#include "../../precisions/cuda/math.cuh"

namespace gpt2run::test {

inline constexpr int kThreads = 64;

// out (blocks) = sums over each block of in (blocks, threads), through warps and shared memory.
template <bool kBarrier, int kOverrun = 0>
GPT2RUN_KERNEL(kThreads)
sum_kernel(const float* in, float* out) {
  float value = in[cuda::block_x() * cuda::thread_count() + cuda::thread_id()];
  for (int lanes = cuda::kWarp / 2; lanes > 0; lanes /= 2) value += cuda::shuffle_xor(cuda::kWholeWarp, value, lanes);
  auto* warps = cuda::Shared(cuda::shared_memory()).take<float>(kThreads / cuda::kWarp);
  if (cuda::thread_id() % cuda::kWarp == 0) warps[cuda::thread_id() / cuda::kWarp + kOverrun] = value;
  if constexpr (kBarrier) cuda::sync_block();
  if (cuda::thread_id() != 0) return;
  out[cuda::block_x()] = 0;
  for (int warp = 0; warp < kThreads / cuda::kWarp; ++warp) out[cuda::block_x()] += warps[warp];
}

// out = in in reverse order, through shared memory. Another barrier follows the one that matters.
template <bool kBarrier>
GPT2RUN_KERNEL(kThreads)
mirror_kernel(const float* in, float* out) {
  auto* values = cuda::Shared(cuda::shared_memory()).take<float>(kThreads);
  values[cuda::thread_id()] = in[cuda::thread_id()];
  if constexpr (kBarrier) cuda::sync_block();
  out[cuda::thread_id()] = values[kThreads - 1 - cuda::thread_id()];
  cuda::sync_block();
}

// out (count) = in (count) in reverse order, with one thread per value. kBeyond more threads access out of bounds.
template <int kBeyond>
GPT2RUN_KERNEL(kThreads)
reverse_kernel(const float* in, float* out, int count) {
  const int i = cuda::block_x() * cuda::thread_count() + cuda::thread_id();
  if (i < count + kBeyond) out[i] = in[count + kBeyond - 1 - i];
}

// Half of a warp exchanges values. Except with own_mask, its mask names the whole warp, and the other half does
// something else.
enum class Half { whole_mask, own_mask, gone, at_barrier };
template <Half kHalf>
GPT2RUN_KERNEL(kThreads)
half_kernel(float* out) {
  const int lane = cuda::thread_id() % cuda::kWarp;
  float value = static_cast<float>(lane);
  if (kHalf == Half::gone && lane >= 16) return;
  if (kHalf == Half::at_barrier && lane >= 16) cuda::sync_block();
  if (kHalf == Half::own_mask && lane >= 16) value += cuda::shuffle_xor(0xFFFF0000, value, 1);
  if (lane < 16) value += cuda::shuffle_xor(kHalf == Half::own_mask ? 0x0000FFFF : 0xFFFFFFFF, value, 1);
  if (kHalf == Half::whole_mask && lane >= 16) value += cuda::shuffle_xor(0xFFFF0000, value, 1);
  out[cuda::thread_id()] = value;
}

// Some threads return before the barrier, or wait at another one.
template <bool kLeaves>
GPT2RUN_KERNEL(kThreads)
barrier_kernel(float* out) {
  if (cuda::thread_id() < 7) {
    if (kLeaves) return;
    cuda::sync_block();
  } else {
    cuda::sync_block();
  }
  out[cuda::thread_id()] = 1;
}

// The last block to arrive adds up what all blocks wrote, and sets the counter back. The fences and the counter order
// the blocks.
enum class Fence { both, not_before, not_behind };
template <Fence kFence>
GPT2RUN_KERNEL(kThreads)
last_block_kernel(int* counter, float* partial, float* out) {
  if (cuda::thread_id() == 0) partial[cuda::block_x()] = static_cast<float>(cuda::block_x() + 1);
  cuda::sync_block();
  if (cuda::thread_id() != 0) return;
  if (kFence != Fence::not_before) cuda::fence();
  const bool last = cuda::atomic_add(counter, 1) == cuda::blocks_x() - 1;
  if (kFence != Fence::not_behind) cuda::fence();
  if (!last) return;
  if (kFence == Fence::both) *counter = 0;  // which broken ones leave, so that only what they read is reported
  *out = 0;
  for (int block = 0; block < cuda::blocks_x(); ++block) *out += cuda::load_fresh(partial + block);
}

// Every block adds to the same sum, which nothing orders.
GPT2RUN_KERNEL(kThreads)
unordered_kernel(float* sum) {
  if (cuda::thread_id() == 0) *sum += static_cast<float>(cuda::block_x());
}

// out (threads) = the first words of vectors of `in`, which begin kShift words behind multiples of 16 bytes.
template <int kShift>
GPT2RUN_KERNEL(kThreads)
vectors_kernel(const float* in, float* out) {
  float values[cuda::kVector<float>];
  cuda::load(in + cuda::thread_id() * cuda::kVector<float> + kShift, values);
  out[cuda::thread_id()] = values[0];
}

// A view with a pointer in it, as kernels get them.
struct View {
  int count;
  float* values;
};
GPT2RUN_KERNEL(kThreads)
view_kernel(View view) {
  if (cuda::thread_id() < view.count) view.values[cuda::thread_id()] = 1;
}

GPT2RUN_KERNEL(kThreads)
lanes_kernel(uint32_t* votes, int* from) {
  const int thread = cuda::thread_id();
  votes[thread] = cuda::ballot(cuda::kWholeWarp, thread % 3 == 0);
  from[thread] = cuda::shuffle(cuda::kWholeWarp, thread, (thread + 5) % cuda::kWarp);
}

}  // namespace gpt2run::test
