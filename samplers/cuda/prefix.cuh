// The search for the end of a prefix of a row's tokens: top-k, top-p, and the tokens of typical sampling. A block
// searches the sorted slices of a row (sort.cuh) for the key at which the weight reaches a target. In each round it
// tries several keys at once, each by a binary search in every slice.
#pragma once
#include "sort.cuh"

namespace gpt2run::cuda {

// A prefix of the tokens in descending order of their ranks.
struct Prefix {
  uint64_t last, sum;  // the rank of its last token, and the weight of all its tokens
};

// The most keys that a block tries at once.
inline constexpr int kMostSplitters = 64;

// The shared memory of a search.
struct PrefixScratch {
  RowScratch row;
  uint64_t weights[kSlice];       // (splitters, slices): of the tokens of a slice that reach a splitter
  uint64_t sums[kMostSplitters];  // (splitters): over all slices
  int counts[2][kSlice];          // (splitters, slices): how many tokens these are; for this round and the one before
  int high[kMostSlices];
  int found;
  Prefix prefix;
};
static_assert(sizeof(PrefixScratch) <= kSharedBytes);

GPT2RUN_DEVICE PrefixScratch& prefix_scratch() { return *static_cast<PrefixScratch*>(shared_memory()); }

// The number of keys that a block of at most kSlice threads tries at once. A warp sums up at most two of them.
GPT2RUN_HD constexpr int splitters_of(int threads, int slices) {
  const int by_slices = threads / slices, by_warps = 2 * threads / kWarp;
  return by_slices < by_warps ? by_slices : by_warps;
}
static_assert(splitters_of(kSlice, 1) == kMostSplitters);

// How many of the tokens [low, high) of a sorted slice have a rank of at least `least`, plus low.
GPT2RUN_DEVICE int count_reaching(const uint64_t* ranks, uint64_t least, int low, int high) {
  while (low < high) {
    const int middle = (low + high) / 2;
    if (ranks[middle] >= least)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// The tokens of a sorted slice among which its last one of the prefix is: those before `low` belong to the prefix,
// those from `high` on do not.
struct Window {
  int low, high;
};

// One round of the search: tries the keys lo + step, lo + 2 step, ... below hi. Returns the index of the greatest of
// them whose weight reaches the target, or -1. own: the window of slice thread_id() % slices, which is narrowed.
GPT2RUN_DEVICE int try_splitters(const SortedRow& row, uint64_t lo, uint64_t hi, uint64_t step, uint64_t target,
                                 Window& own, int* counts, PrefixScratch& s) {
  const int t = thread_id(), slices = row.slices, splitters = splitters_of(thread_count(), slices);
  const int slice = t % slices, lane = t % kWarp;
  if (t < splitters * slices) {
    const uint64_t key = lo + (t / slices + 1) * step;
    const int count =
        key < hi ? count_reaching(row.ranks + slice * kSlice, key << kIdBits, own.low, own.high) : own.low;
    counts[t] = count, s.weights[t] = row.weight(slice, count);
  }
  sync_block();
  for (int i = t / kWarp; i < splitters; i += thread_count() / kWarp) {
    uint64_t sum[1] = {};
    for (int other = lane; other < slices; other += kWarp) sum[0] += s.weights[i * slices + other];
    sum_over_lanes<kWarp>(sum);
    if (lane == 0) s.sums[i] = sum[0];
  }
  sync_block();
  int reaching = 0;  // splitters whose weight reaches the target: the first ones
  for (int first = 0; first < splitters; first += kWarp)
    reaching += bits_of(ballot(kWholeWarp, first + lane < splitters && s.sums[first + lane] >= target));
  if (reaching > 0) own.high = counts[(reaching - 1) * slices + slice];
  if (reaching < splitters) own.low = counts[reaching * slices + slice];
  return reaching - 1;
}

// Ends the search among tokens of equal keys, which are those in the windows: they follow each other by id. Sets s.high
// to the number of each slice's tokens in the prefix.
GPT2RUN_DEVICE Prefix end_among_equals(const SortedRow& row, uint64_t target, const Window& own_window,
                                       PrefixScratch& s) {
  const int t = thread_id(), low = own_window.low, high = own_window.high;
  const uint64_t before = t < row.slices ? row.weight(t, low) : 0;
  const uint64_t own = t < row.slices ? row.weight(t, high) - before : 0;
  const uint64_t sum = block_sum(before, s.row), up_to = sum + scan_block(own, s.row);
  if (up_to >= target && up_to - own < target) {
    const uint64_t rest = target - (up_to - own);  // of the equal tokens of this slice
    int first = low, last = high - 1;
    while (first < last) {
      const int middle = (first + last) / 2;
      if (row.weight(t, middle + 1) - before >= rest)
        last = middle;
      else
        first = middle + 1;
    }
    s.found = t, s.high[t] = first + 1;
    s.prefix = {row.ranks[t * kSlice + first], up_to - own + (row.weight(t, first + 1) - before)};
  }
  sync_block();
  if (t < row.slices && t != s.found) s.high[t] = t < s.found ? high : low;
  const Prefix prefix = s.prefix;
  sync_block();
  return prefix;
}

// The shortest prefix of a row's tokens, in descending order of their ranks, whose weights reach the target. Every
// thread gets it. On entry s.high (slices) has the number of tokens of each slice that can belong to the prefix; on
// return it has the number of those that do. most: a key that no token's exceeds. The target is at least 1 and at most
// the weight of all tokens that can belong to the prefix. All threads call it, and none needs a barrier before or
// after.
GPT2RUN_DEVICE Prefix first_prefix(const SortedRow& row, uint32_t most, uint64_t target, PrefixScratch& s) {
  const int t = thread_id(), splitters = splitters_of(thread_count(), row.slices);
  uint64_t above_least = 0;  // how far the least rank is below the greatest possible one
  if (t < row.slices && s.high[t] > 0) above_least = ~row.ranks[t * kSlice + s.high[t] - 1];
  uint64_t lo = key_of(~block_max(above_least, s.row)), hi = uint64_t{most} + 1;
  Window own = {0, s.high[t % row.slices]};
  for (int turn = 0; hi - lo > 1; turn = 1 - turn) {
    const uint64_t step = (hi - lo + splitters) / (splitters + 1);
    const int found = try_splitters(row, lo, hi, step, target, own, s.counts[turn], s);
    const uint64_t next = lo + (found + 2) * step;
    if (found + 1 < splitters && next < hi) hi = next;
    lo += (found + 1) * step;
  }
  return end_among_equals(row, target, own, s);
}

}  // namespace gpt2run::cuda
