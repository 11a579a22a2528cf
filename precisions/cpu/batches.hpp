// How tensors are read from a checkpoint: the order, so that little of a mapped file is in memory at a time, and FP64.
#pragma once
#include <algorithm>
#include <numeric>
#include <vector>

#include "gpt2run/sdk/float16.hpp"
#include "pool.hpp"

namespace gpt2run::cpu {

using gpt2run::to_f32;
// FP64 is rounded to FP32 first, as at() of the contract does.
inline float to_f32(double value) { return static_cast<float>(value); }

// Calls work(i, worker, workers) on every worker for all items, which have a weight, a layer and the tensor `from`, in
// batches of some megabytes of the file, and releases the tensors of a batch when all workers are done with it. The
// largest tensors, those outside of layers, come first, while little else is in memory.
template <class Item, class Work>
void read_in_batches(const std::vector<Item>& items, const Checkpoint& checkpoint, Pool& pool, const Work& work) {
  constexpr int64_t kBatch = int64_t{8} << 20;
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_partition(order.begin(), order.end(), [&](size_t i) { return !is_per_layer(items[i].weight); });
  for (size_t begin = 0, end; begin < order.size(); begin = end) {
    int64_t bytes = 0;
    for (end = begin; end < order.size() && bytes < kBatch; ++end) {
      const Tensor& from = items[order[end]].from;
      bytes += from.rows * bytes_of(from.type, from.cols);
    }
    pool.run([&](int worker, int workers) {
      for (size_t at = begin; at < end; ++at) work(order[at], worker, workers);
    });
    for (size_t at = begin; at < end; ++at) checkpoint.release(items[order[at]].weight, items[order[at]].layer);
  }
}

}  // namespace gpt2run::cpu
