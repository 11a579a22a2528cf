// Rows of logits in slices of 1024 successive tokens. Each block processes one slice, so that many multiprocessors work
// on a row. Blocks communicate through device memory from one kernel to the next. Nothing is counted by atomic updates:
// slices are sorted and summed by exchanges whose number does not depend on the logits, so that no row is slower than
// another.
#pragma once
#include "row.cuh"

namespace gpt2run::cuda {

inline constexpr int kSlice = 1024;
inline constexpr int kMostSlices = kMaxVocab / kSlice + 1;

GPT2RUN_HD constexpr int slices_of(int vocab) { return divided_up(vocab, kSlice); }
// The tokens of a slice.
GPT2RUN_HD constexpr int slice_size(int vocab, int slice) {
  return vocab - slice * kSlice < kSlice ? vocab - slice * kSlice : kSlice;
}

// Threads of a block that has one thread per token of a slice. There are also at least as many as slices.
constexpr int slice_threads(int vocab) { return vocab < kSlice ? divided_up(vocab, kWarp) * kWarp : kSlice; }
static_assert(kMostSlices <= kSlice);

// Launches kernel(part, parameters...) with one block per slice and row of a part of a batch: block_x() is the slice,
// block_y() the row. The part's device must be selected. shared: the bytes of shared memory per block.
template <class Kernel, class... Parameters>
void launch_slices(const char* name, int threads, size_t shared, Kernel kernel, const LogitBatch& part,
                   const Parameters&... parameters) {
  launch({name, {slices_of(part.vocab), part.rows, 1}, threads, shared, part.stream}, kernel, part, parameters...);
}

// The sum of the values of this thread and of all threads before it.
GPT2RUN_DEVICE uint64_t scan_block(uint64_t value, RowScratch& scratch) {
  const int lane = thread_id() % kWarp;
  for (int lanes = 1; lanes < kWarp; lanes *= 2) {
    const uint64_t earlier = shuffle(kWholeWarp, value, lane >= lanes ? lane - lanes : lane);
    if (lane >= lanes) value += earlier;
  }
  sync_block();  // every thread has read the sums of the scan before
  if (lane == kWarp - 1) scratch.warps[thread_id() / kWarp] = value;
  sync_block();
  for (int warp = 0; warp < thread_id() / kWarp; ++warp) value += scratch.warps[warp];
  return value;
}

// The greatest of a row's heads (slices), which are the greatest ranks of its slices.
GPT2RUN_DEVICE uint64_t greatest_head(const uint64_t* heads, int slices, RowScratch& scratch) {
  return block_max(thread_id() < slices ? heads[thread_id()] : 0, scratch);
}

}  // namespace gpt2run::cuda
