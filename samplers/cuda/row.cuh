// What the kernels of the samplers share: one block takes one row of logits, all sums are of integers, so that the
// order of threads changes nothing and the host's selection (select.hpp) gives the same token.
#pragma once
#include "gpt2run/sdk/cuda/device.hpp"
#include "gpt2run/sdk/cuda/range.hpp"
#include "gpt2run/sdk/cuda/runtime.hpp"
#include "gpt2run/sdk/select.hpp"

namespace gpt2run::cuda {

inline constexpr int kRowThreads = 512;

// The order of tokens in 50 bits, greater = earlier: the key's 32, then the lower id.
inline constexpr int kIdBits = 18;
GPT2RUN_HD constexpr uint64_t place_of(uint32_t key, int32_t id) {
  return uint64_t{key} << kIdBits | static_cast<uint64_t>(kMaxVocab - id);
}
GPT2RUN_HD constexpr uint32_t key_of(uint64_t place) { return static_cast<uint32_t>(place >> kIdBits); }
GPT2RUN_HD constexpr int32_t id_at(uint64_t place) { return kMaxVocab - static_cast<int32_t>(place & kMaxVocab); }

// Shared memory of a block.
inline constexpr int kDigitBits = 10, kDigits = 1 << kDigitBits;
struct RowScratch {
  uint64_t bins[kDigits + kDigits / kWarp];  // a gap after each 32, against bank conflicts
  uint64_t warps[kRowThreads / kWarp];
  uint64_t found, before;
};
static_assert(sizeof(RowScratch) <= kSharedBytes);

// The greatest value, or the sum, of all threads, in every thread.
template <class Combine>
GPT2RUN_DEVICE uint64_t over_block(uint64_t value, RowScratch& scratch, Combine combine) {
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) value = combine(value, shuffle_xor(kWholeWarp, value, lanes));
  sync_block();  // nobody reads an earlier result any more
  if (thread_id() % kWarp == 0) scratch.warps[thread_id() / kWarp] = value;
  sync_block();
  value = scratch.warps[0];
  for (int warp = 1; warp < kRowThreads / kWarp; ++warp) value = combine(value, scratch.warps[warp]);
  return value;
}
GPT2RUN_DEVICE uint64_t block_max(uint64_t value, RowScratch& scratch) {
  return over_block(value, scratch, [](uint64_t a, uint64_t b) { return a < b ? b : a; });
}
GPT2RUN_DEVICE uint64_t block_sum(uint64_t value, RowScratch& scratch) {
  return over_block(value, scratch, [](uint64_t a, uint64_t b) { return a + b; });
}

inline constexpr int kTokens = 8;  // of a thread at a time: what they need is asked for first

// Calls use(id, logit) for the thread's own tokens. It may write their logits.
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

// The first token in the order.
GPT2RUN_DEVICE uint64_t greatest_place(const float* logits, int vocab, RowScratch& scratch) {
  uint64_t best = 0;
  for_own(logits, vocab, [&](int id, float logit) {
    const uint64_t place = place_of(order_key(logit), id);
    best = best < place ? place : best;
  });
  return block_max(best, scratch);
}

struct Prefix {
  uint64_t last, sum;  // place of the last one, weight of all
};

GPT2RUN_DEVICE int bin_of(int digit) { return digit + digit / kWarp; }

// Weights of one digit of all numbers that begin with prefix.last, into the bins. A thread adds up neighbours of one
// bin before it touches shared memory: mostly there are few bins.
template <class Weigh>
GPT2RUN_DEVICE void fill_bins(int vocab, int shift, uint64_t begins, RowScratch& scratch, Weigh weigh) {
  for (int i = thread_id(); i < kDigits + kDigits / kWarp; i += kRowThreads) scratch.bins[i] = 0;
  sync_block();
  int open = 0;
  uint64_t sum = 0;
  for (int first = thread_id(); first < vocab; first += kTokens * kRowThreads) {
    uint64_t numbers[kTokens] = {}, weights[kTokens] = {};
    GPT2RUN_UNROLL
    for (int i = 0; i < kTokens; ++i)
      if (first + i * kRowThreads < vocab) weights[i] = weigh(first + i * kRowThreads, numbers[i]);
    GPT2RUN_UNROLL
    for (int i = 0; i < kTokens; ++i) {
      if (weights[i] == 0 || numbers[i] >> shift >> kDigitBits != begins >> shift >> kDigitBits) continue;
      const int digit = static_cast<int>(numbers[i] >> shift & (kDigits - 1));
      if (digit != open && sum > 0) {
        atomic_add(&scratch.bins[bin_of(open)], sum);
        sum = 0;
      }
      open = digit;
      sum += weights[i];
    }
  }
  if (sum > 0) atomic_add(&scratch.bins[bin_of(open)], sum);
  sync_block();
}

// Called by the first warp: from the greatest digit down, the one at which the sum reaches target.
GPT2RUN_DEVICE void find_digit(uint64_t before, uint64_t target, RowScratch& scratch) {
  const int lane = thread_id() % kWarp;
  const int greatest = kDigits - 1 - lane * (kDigits / kWarp);
  uint64_t own = 0;
  for (int i = 0; i < kDigits / kWarp; ++i) own += scratch.bins[bin_of(greatest - i)];
  uint64_t up_to = own;
  for (int lanes = 1; lanes < kWarp; lanes *= 2) {
    const uint64_t lower = shuffle(kWholeWarp, up_to, lane >= lanes ? lane - lanes : lane);
    if (lane >= lanes) up_to += lower;
  }
  uint64_t sum = before + up_to - own;
  if (sum >= target || sum + own < target) return;
  int digit = greatest;
  while (sum + scratch.bins[bin_of(digit)] < target) sum += scratch.bins[bin_of(digit--)];
  scratch.found = digit;
  scratch.before = sum;
}

// The first prefix, from the greatest number down, whose weights reach target: 1 to the sum of all. weigh(id, number)
// gives a token's weight and sets its number, different for each token and below 2^bits; it is called by the thread
// that owns the token, and the same at every call. target(): the same at every call, too; a function, so that what lies
// in memory takes no register of the loops. Every thread gets the result.
template <class Target, class Weigh>
GPT2RUN_DEVICE Prefix first_prefix(int vocab, int bits, Target target, RowScratch& scratch, Weigh weigh) {
  uint64_t begins = 0, before = 0;
  for (int shift = divided_up(bits, kDigitBits) * kDigitBits - kDigitBits; shift >= 0; shift -= kDigitBits) {
    fill_bins(vocab, shift, begins, scratch, weigh);
    if (thread_id() < kWarp) find_digit(before, target(), scratch);
    sync_block();
    begins |= scratch.found << shift;
    before = scratch.before;
  }
  const Prefix prefix = {begins, before + scratch.bins[bin_of(static_cast<int>(begins & (kDigits - 1)))]};
  sync_block();  // the bins are free
  return prefix;
}

// The place of the top_k()-th token; 0 where all stay.
template <class TopK>
GPT2RUN_DEVICE uint64_t last_of_top_k(const float* logits, int vocab, TopK top_k, RowScratch& scratch) {
  if (top_k() <= 0 || top_k() >= vocab) return 0;
  const auto one_each = [&](int id, uint64_t& place) {
    place = place_of(order_key(logits[id]), id);
    return uint64_t{1};
  };
  return first_prefix(
             vocab, 32 + kIdBits, [&] { return static_cast<uint64_t>(top_k()); }, scratch, one_each)
      .last;
}

GPT2RUN_DEVICE RowScratch& row_scratch() { return *static_cast<RowScratch*>(shared_memory()); }

GPT2RUN_DEVICE int32_t& chosen_at(const LogitBatch& batch, int row) {
  const RowKey& key = batch.keys[row];
  return batch.tokens[key.slot * batch.token_stride + key.position];
}

// Throws Error on a layout that these kernels cannot work on.
inline void check_layout(const LogitBatch& layout) {
  if (layout.vocab < 1 || layout.vocab > kMaxVocab)
    fail("vocabulary: expected 1 to ", kMaxVocab, " tokens, found ", layout.vocab);
}

// Launches kernel(batch, parameters...) on every row, a block for each, at most so many at once. shared: bytes of a
// block.
template <class Kernel, class... Parameters>
void launch_rows(const char* name, int at_once, size_t shared, Kernel kernel, LogitBatch batch,
                 const Parameters&... parameters) {
  use_device(batch.device);
  for (int rows = batch.rows; rows > 0; rows -= at_once) {
    batch.rows = std::min(rows, at_once);
    launch({name, {batch.rows, 1, 1}, kRowThreads, shared, batch.stream}, kernel, batch, parameters...);
    batch.logits += batch.rows * batch.stride;
    batch.raw += batch.rows * batch.stride;
    batch.keys += batch.rows;
  }
}

template <class Spec>
GPT2RUN_KERNEL(1)
set_specs_kernel(Spec* specs, int first, int count, Spec spec) {
  for (int slot = first; slot < first + count; ++slot) specs[slot] = spec;
}

// What a sampler was told for each slot, in device memory: kernels read it through a pointer, so that a recorded graph
// finds what a later request asked for.
template <class Spec>
class SlotSpecs {
 public:
  // All slots get `created`. May be called again, also for another session. The memory stays where it is as long as it
  // is large enough, because recorded graphs point to it.
  void prepare(const LogitBatch& layout, const Spec& created) {
    check_layout(layout);
    use_device(layout.device);
    slots_ = std::max(layout.slots, 1);
    if (static_cast<int>(specs_.size()) < slots_ || device_ != layout.device) specs_ = Array<Spec>(size_t(slots_));
    device_ = layout.device, stream_ = layout.stream;
    set(0, slots_, created);
  }

  // Enqueues it on the layout's stream.
  void set(int slot, const Spec& spec) { set(slot, 1, spec); }

  const Spec* data() const { return specs_.data(); }

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

// The spec of a row's slot.
template <class Spec>
GPT2RUN_DEVICE const Spec& spec_of(const Spec* specs, const LogitBatch& batch, int row) {
  return specs[batch.keys[row].slot];
}

// T, whose launches a profiler shows in the range `sample`.
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
