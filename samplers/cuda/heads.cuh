// The greatest rank of every slice of a row, for samplers that sort nothing by logits.
#pragma once
#include "slices.cuh"

namespace gpt2run::cuda {

// heads (rows, slices) = the greatest rank of each slice.
GPT2RUN_KERNEL(kSlice)
heads_kernel(LogitBatch batch, uint64_t* heads) {
  const int id = block_x() * kSlice + thread_id();
  const float* logits = batch.logits + block_y() * batch.stride;
  const uint64_t best = block_max(id < batch.vocab ? rank_of(order_key(logits[id]), id) : 0, row_scratch());
  if (thread_id() == 0) heads[block_y() * blocks_x() + block_x()] = best;
}

inline void launch_heads(const LogitBatch& part, uint64_t* heads) {
  launch_slices("heads", slice_threads(part.vocab), sizeof(RowScratch), heads_kernel, part, heads);
}

}  // namespace gpt2run::cuda
