// Slices sorted by logits, and the end of their top-k.
#pragma once
#include "prefix.cuh"

namespace gpt2run::cuda {

// Sorts every slice by logits. heads (rows, slices): the greatest rank of each.
GPT2RUN_KERNEL(kSortThreads)
sort_kernel(LogitBatch batch, SortedRow rows, uint64_t* heads) {
  auto& scratch = *static_cast<SortScratch*>(shared_memory());
  const float* logits = batch.logits + block_y() * batch.stride;
  uint64_t own[kSortOwn];
  sort_slice(batch.vocab, own, scratch, [&](int id) { return rank_of(order_key(logits[id]), id); });
  uint64_t* ranks = rows.of(block_y()).ranks + block_x() * kSlice;
  GPT2RUN_UNROLL
  for (int i = 0; i < kSortOwn; ++i) ranks[kSortOwn * thread_id() + i] = own[i];
  if (thread_id() == 0) heads[block_y() * blocks_x() + block_x()] = own[0];
}

inline void launch_sort(const LogitBatch& part, const SortedRow& rows, uint64_t* heads) {
  launch_slices("sort", sort_threads(part.vocab), sizeof(SortScratch), sort_kernel, part, rows, heads);
}

// The rank of the top_k-th token, or 0 where all tokens are kept. best: the greatest rank.
GPT2RUN_DEVICE uint64_t last_of_top_k(SortedRow row, int vocab, int top_k, uint64_t best, PrefixScratch& s) {
  if (top_k <= 0 || top_k >= vocab) return 0;
  row.prefix = nullptr;
  if (const int t = thread_id(); t < row.slices) {
    const int size = slice_size(vocab, t);
    s.high[t] = size < top_k ? size : top_k;
  }
  return first_prefix(row, key_of(best), static_cast<uint64_t>(top_k), s).last;
}

}  // namespace gpt2run::cuda
