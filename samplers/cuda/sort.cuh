// Sorting the slices of a row, each by itself.
#pragma once
#include "slices.cuh"

namespace gpt2run::cuda {

inline constexpr int kSortOwn = 4;  // numbers per thread
inline constexpr int kSortThreads = kSlice / kSortOwn;

// Threads of a block that sorts a slice: a power of two.
constexpr int sort_threads(int vocab) {
  int threads = kWarp;
  while (threads * kSortOwn < std::min(vocab, kSlice)) threads *= 2;
  return threads;
}

// The shared memory of a block that sorts a slice.
struct SortScratch {
  RowScratch row;
  uint64_t exchanged[kSlice];  // (kSortOwn, threads)
};

GPT2RUN_DEVICE void put_in_order(uint64_t& first, uint64_t& second, bool descending) {
  const uint64_t a = first, b = second;
  const bool swaps = (a < b) == descending;
  first = swaps ? b : a, second = swaps ? a : b;
}

// Sorts the numbers of all threads in descending order. Each thread has kSortOwn successive ones; there are
// sort_threads() threads. This is a bitonic sort: the numbers that it compares do not depend on the numbers.
GPT2RUN_DEVICE void sort_block(uint64_t (&own)[kSortOwn], SortScratch& scratch) {
  const int threads = thread_count(), first = kSortOwn * thread_id();
  put_in_order(own[0], own[1], true), put_in_order(own[2], own[3], false);
  for (int run = 4; run <= kSortOwn * threads; run *= 2) {
    const bool descending = (first & run) == 0;
    for (int distance = run / 2; distance >= kSortOwn; distance /= 2) {
      const bool keeps_greater = descending == ((first & distance) == 0);
      const int lanes = distance / kSortOwn;
      uint64_t others[kSortOwn];
      if (lanes < kWarp) {
        GPT2RUN_UNROLL
        for (int i = 0; i < kSortOwn; ++i) others[i] = own[i];
        swap_lanes(others, lanes);
      } else {
        sync_block();  // every thread has read the numbers of the exchange before
        GPT2RUN_UNROLL
        for (int i = 0; i < kSortOwn; ++i) scratch.exchanged[i * threads + thread_id()] = own[i];
        sync_block();
        GPT2RUN_UNROLL
        for (int i = 0; i < kSortOwn; ++i) others[i] = scratch.exchanged[i * threads + (thread_id() ^ lanes)];
      }
      GPT2RUN_UNROLL
      for (int i = 0; i < kSortOwn; ++i) own[i] = (own[i] < others[i]) == keeps_greater ? others[i] : own[i];
    }
    put_in_order(own[0], own[2], descending), put_in_order(own[1], own[3], descending);
    put_in_order(own[0], own[1], descending), put_in_order(own[2], own[3], descending);
  }
}

// Sorts the slice of this block by rank(id), descending; 0 stands for no token. The results are the own numbers of
// each thread.
template <class Rank>
GPT2RUN_DEVICE void sort_slice(int vocab, uint64_t (&own)[kSortOwn], SortScratch& scratch, Rank rank) {
  GPT2RUN_UNROLL
  for (int i = 0; i < kSortOwn; ++i) {
    const int id = block_x() * kSlice + i * thread_count() + thread_id();
    own[i] = id < vocab ? rank(id) : 0;
  }
  sort_block(own, scratch);
}

// A row whose slices are sorted, each by itself.
struct SortedRow {
  uint64_t* ranks;   // (slices, kSlice), each slice in descending order
  uint64_t* prefix;  // (slices, kSlice): the weight of the tokens up to this one of its slice; nullptr if each weighs 1
  int slices;

  GPT2RUN_DEVICE SortedRow of(int row) const {
    const int64_t tokens = int64_t{row} * slices * kSlice;
    return {ranks + tokens, prefix ? prefix + tokens : nullptr, slices};
  }
  // The weight of the first `count` tokens of a slice.
  GPT2RUN_DEVICE uint64_t weight(int slice, int count) const {
    if (!prefix) return count;
    return count == 0 ? 0 : prefix[slice * kSlice + count - 1];
  }
};

}  // namespace gpt2run::cuda
