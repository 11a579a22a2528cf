// Common parts of the sampler kernels. Each block processes one row of logits. All sums are integer sums, so the order
// of threads changes nothing, and the selection on the host (select.hpp) gives the same token.
#pragma once
#include "gpt2run/sdk/cuda/device.hpp"
#include "gpt2run/sdk/cuda/range.hpp"
#include "gpt2run/sdk/cuda/runtime.hpp"
#include "gpt2run/sdk/select.hpp"

namespace gpt2run::cuda {

inline constexpr int kRowThreads = 512;

// The rank of a token among all tokens of a row, in 50 bits: a greater logit ranks higher, and a lower id among equal
// logits.
inline constexpr int kIdBits = 18;
GPT2RUN_HD constexpr uint64_t rank_of(uint32_t key, int32_t id) {
  return uint64_t{key} << kIdBits | static_cast<uint64_t>(kMaxVocab - id);
}
GPT2RUN_HD constexpr uint32_t key_of(uint64_t rank) { return static_cast<uint32_t>(rank >> kIdBits); }
GPT2RUN_HD constexpr int32_t id_at(uint64_t rank) { return kMaxVocab - static_cast<int32_t>(rank & kMaxVocab); }

// The shared memory of a reduction over a block of at most 1024 threads.
struct RowScratch {
  uint64_t warps[32];
};

// Reduces the values of all threads, which are whole warps; every thread gets the result.
template <class Combine>
GPT2RUN_DEVICE uint64_t reduce_block(uint64_t value, RowScratch& scratch, Combine combine) {
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) value = combine(value, shuffle_xor(kWholeWarp, value, lanes));
  sync_block();  // every thread has read the result of the reduction before
  if (thread_id() % kWarp == 0) scratch.warps[thread_id() / kWarp] = value;
  sync_block();
  value = scratch.warps[0];
  for (int warp = 1; warp < thread_count() / kWarp; ++warp) value = combine(value, scratch.warps[warp]);
  return value;
}
GPT2RUN_DEVICE uint64_t block_max(uint64_t value, RowScratch& scratch) {
  return reduce_block(value, scratch, [](uint64_t a, uint64_t b) { return a < b ? b : a; });
}
GPT2RUN_DEVICE uint64_t block_sum(uint64_t value, RowScratch& scratch) {
  return reduce_block(value, scratch, [](uint64_t a, uint64_t b) { return a + b; });
}

inline constexpr int kTokens = 8;  // how many tokens a thread loads at once

// Calls use(id, logit) for the tokens of this thread. It may write their logits.
template <class Use>
GPT2RUN_DEVICE void for_own(const float* logits, int vocab, Use use) {
  for (int first = thread_id(); first < vocab; first += kTokens * kRowThreads) {
    float own[kTokens] = {};
    GPT2RUN_UNROLL
    for (int i = 0; i < kTokens; ++i)
      if (first + i * kRowThreads < vocab) own[i] = logits[first + i * kRowThreads];
    GPT2RUN_UNROLL
    for (int i = 0; i < kTokens; ++i)
      if (first + i * kRowThreads < vocab) use(first + i * kRowThreads, own[i]);
  }
}

// The rank of the most likely token.
GPT2RUN_DEVICE uint64_t greatest_rank(const float* logits, int vocab, RowScratch& scratch) {
  uint64_t best = 0;
  for_own(logits, vocab, [&](int id, float logit) {
    const uint64_t rank = rank_of(order_key(logit), id);
    best = best < rank ? rank : best;
  });
  return block_max(best, scratch);
}

GPT2RUN_DEVICE RowScratch& row_scratch() { return *static_cast<RowScratch*>(shared_memory()); }

GPT2RUN_DEVICE int32_t& chosen_at(const LogitBatch& batch, int row) {
  const RowKey& key = batch.keys[row];
  return batch.tokens[key.slot * batch.token_stride + key.position];
}

// Throws Error for a layout that these kernels cannot process.
inline void check_layout(const LogitBatch& layout) {
  if (layout.vocab < 1 || layout.vocab > kMaxVocab)
    fail("vocabulary: expected 1 to ", kMaxVocab, " tokens, found ", layout.vocab);
}

// Selects the batch's device, and calls use(part) for the batch in parts of at most `at_once` rows.
template <class Use>
void for_parts(LogitBatch batch, int at_once, Use use) {
  use_device(batch.device);
  for (int rows = batch.rows; rows > 0; rows -= at_once) {
    batch.rows = std::min(rows, at_once);
    use(std::as_const(batch));
    batch.logits += batch.rows * batch.stride;
    batch.raw += batch.rows * batch.stride;
    batch.keys += batch.rows;
  }
}

// Launches kernel(batch, parameters...) on the batch's device, with one block per row and at most `at_once` rows per
// launch. shared: the bytes of shared memory per block.
template <class Kernel, class... Parameters>
void launch_rows(const char* name, int at_once, size_t shared, Kernel kernel, const LogitBatch& batch,
                 const Parameters&... parameters) {
  for_parts(batch, at_once, [&](const LogitBatch& part) {
    launch({name, {part.rows, 1, 1}, kRowThreads, shared, part.stream}, kernel, part, parameters...);
  });
}

template <class Spec>
GPT2RUN_KERNEL(1)
set_specs_kernel(Spec* specs, int first, int count, Spec spec) {
  for (int slot = first; slot < first + count; ++slot) specs[slot] = spec;
}

// The options of each slot, in device memory. Kernels read them through a pointer, so that a replayed graph sees
// options that were set after it was recorded.
template <class Spec>
class SlotSpecs {
 public:
  // Sets `created` for all slots. May be called again, also for another session. The memory is not reallocated as long
  // as it is large enough, because recorded graphs point to it.
  void prepare(const LogitBatch& layout, const Spec& created) {
    check_layout(layout);
    use_device(layout.device);
    slots_ = std::max(layout.slots, 1);
    if (static_cast<int>(specs_.size()) < slots_ || device_ != layout.device) specs_ = Array<Spec>(size_t(slots_));
    device_ = layout.device, stream_ = layout.stream;
    set(0, slots_, created);
  }

  // Enqueues the change on the layout's stream.
  void set(int slot, const Spec& spec) { set(slot, 1, spec); }

  // The options for the rows of a batch, by slot. A kernel that keeps state in them may change those of its row's slot.
  // Throws Error if the sampler was prepared for a session with fewer slots.
  Spec* of(const LogitBatch& batch) const {
    if (batch.slots > slots_) fail("the batch has ", batch.slots, " slots, the sampler was prepared for ", slots_);
    return specs_.data();
  }

 private:
  void set(int first, int count, const Spec& spec) {
    if (first < 0 || first + count > slots_)
      fail("slot ", first, " is out of range, the sampler was prepared for ", slots_);
    use_device(device_);
    launch({"set_specs", {1, 1, 1}, 1, 0, stream_}, set_specs_kernel<Spec>, specs_.data(), first, count, spec);
  }

  int slots_ = 0, device_ = 0;
  void* stream_ = nullptr;
  Array<Spec> specs_;  // (S) or more
};

// The options of a row's slot.
template <class Spec>
GPT2RUN_DEVICE const Spec& spec_of(const Spec* specs, const LogitBatch& batch, int row) {
  return specs[batch.keys[row].slot];
}

// Device memory for the rows of one launch, (rows, values per row).
template <class T>
class RowMemory {
 public:
  // For one value per token. May be called again, also for another session. The memory is not reallocated as long as it
  // is large enough, because recorded graphs point to it.
  void prepare(const LogitBatch& layout) { prepare(layout, size_t(layout.vocab)); }
  void prepare(const LogitBatch& layout, size_t per_row) {
    use_device(layout.device);
    rows_ = std::clamp(layout.rows, 1, kMostRows);
    const size_t count = rows_ * per_row;
    if (memory_.size() < count || device_ != layout.device) memory_ = Array<T>(count);
    device_ = layout.device;
  }

  int rows() const { return rows_; }  // the most per launch
  T* data() const { return memory_.data(); }
  size_t bytes() const { return memory_.bytes(); }

 private:
  static constexpr int kMostRows = 64;  // which limits the memory

  int rows_ = 1, device_ = 0;
  Array<T> memory_;
};

// Wraps a sampler T so that a profiler shows its launches in the range `sample`.
template <class T>
class Ranged final : public Sampler {
 public:
  Ranged(const Options& options, const Host& host) : own_(options, host) {}
  void prepare(const LogitBatch& layout) override { own_.prepare(layout); }
  void configure(int32_t slot, const Options* options) override { own_.configure(slot, options); }
  void sample(const LogitBatch& batch) override {
    const Range range("sample");
    own_.sample(batch);
  }

 private:
  T own_;
};

// The descriptor of the CUDA form of a sampler.
template <class T>
constexpr Plugin sampler_plugin(const char* name, bool selects, const char* summary,
                                const OptionSpec* options = nullptr, uint32_t option_count = 0) {
  return {kAbi,    kTag,    Kind::sampler, kSpace,       selects, name,
          "0.1.0", summary, options,       option_count, probe,   make<Sampler, Ranged<T>>};
}

}  // namespace gpt2run::cuda
