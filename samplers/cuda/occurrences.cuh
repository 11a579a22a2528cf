// The samplers frequency-penalty and presence-penalty on the device, which differ in what they subtract. Each different
// token is changed once, by the thread that sets its bit.
#pragma once
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {

// counts: (rows of the launch, V), all 0 before and after.
GPT2RUN_KERNEL(kRowThreads)
occurrence_penalty_kernel(LogitBatch batch, const OccurrenceSpec* specs, int* counts) {
  const OccurrenceSpec& spec = spec_of(specs, batch, block_x());
  auto* seen = static_cast<uint32_t*>(shared_memory());  // one bit per token
  int* count_of = counts + int64_t{block_x()} * batch.vocab;
  const RowKey key = batch.keys[block_x()];
  float* logits = batch.logits + block_x() * batch.stride;
  const int32_t* history = batch.tokens + key.slot * batch.token_stride;
  const int first = first_counted(spec, key.prompt, key.position) + thread_id();
  for (int word = thread_id(); word < divided_up(batch.vocab, 32); word += kRowThreads) seen[word] = 0;
  for (int i = first; i < key.position; i += kRowThreads)
    if (history[i] >= 0 && history[i] < batch.vocab) atomic_add(&count_of[history[i]], 1);
  sync_block();
  for (int i = first; i < key.position; i += kRowThreads) {
    const int32_t id = history[i];
    if (id < 0 || id >= batch.vocab) continue;  // no token could be selected there; the engine reports it
    const uint32_t bit = uint32_t{1} << id % 32;
    if (atomic_or(&seen[id / 32], bit) & bit) continue;
    logits[id] = less_by_occurrences(logits[id], count_of[id], spec);
    count_of[id] = 0;
  }
}

// kEveryTime: frequency-penalty, else presence-penalty.
template <bool kEveryTime>
class OccurrencePenalty final : public Sampler {
 public:
  OccurrencePenalty(const Options& options, const Host&) : spec_(occurrence_spec(options, kEveryTime)) {}

  void prepare(const LogitBatch& layout) override {
    specs_.prepare(layout, spec_);
    counts_.prepare(layout);
    fill_zero(counts_.data(), counts_.bytes(), layout.stream);
  }

  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, options ? occurrence_spec(*options, kEveryTime) : spec_);
  }

  void sample(const LogitBatch& batch) override {
    launch_rows("occurrence_penalty", counts_.rows(), divided_up(batch.vocab, 32) * sizeof(uint32_t),
                occurrence_penalty_kernel, batch, specs_.of(batch), counts_.data());
  }

 private:
  OccurrenceSpec spec_;  // as created
  SlotSpecs<OccurrenceSpec> specs_;
  RowMemory<int> counts_;
};

}  // namespace gpt2run::cuda
