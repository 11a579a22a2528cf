// Sampler top-k on the device: keeps the top_k most likely tokens, and of equal ones those with the lowest ids.
#include "../common/options.hpp"
#include "top_k.cuh"

namespace gpt2run::cuda {
namespace {

// heads: (rows, slices). Each block finds the last token that stays by itself.
GPT2RUN_KERNEL(kSlice)
top_k_kernel(LogitBatch batch, const int* top_ks, SortedRow rows, const uint64_t* heads) {
  PrefixScratch& scratch = prefix_scratch();
  const int slices = blocks_x(), id = block_x() * kSlice + thread_id();
  const uint64_t best = greatest_head(heads + block_y() * slices, slices, scratch.row);
  if (!is_usable(key_of(best))) return;
  const int top_k = spec_of(top_ks, batch, block_y());
  const uint64_t last = last_of_top_k(rows.of(block_y()), batch.vocab, top_k, best, scratch);
  float* logits = batch.logits + block_y() * batch.stride;
  if (id < batch.vocab && rank_of(order_key(logits[id]), id) < last) logits[id] = logit_of(kMinusInfinityKey);
}

class TopK final : public Sampler {
 public:
  TopK(const Options& options, const Host&) : top_k_(top_k_of(options)) {}
  void prepare(const LogitBatch& layout) override {
    specs_.prepare(layout, top_k_);
    const size_t slices = slices_of(layout.vocab);
    heads_.prepare(layout, slices), ranks_.prepare(layout, slices * kSlice);
  }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, options ? top_k_of(*options) : top_k_);
  }
  void sample(const LogitBatch& batch) override {
    const SortedRow rows = {ranks_.data(), nullptr, slices_of(batch.vocab)};
    const int* specs = specs_.of(batch);
    for_parts(batch, ranks_.rows(), [&](const LogitBatch& part) {
      launch_sort(part, rows, heads_.data());
      launch_slices("top_k", slice_threads(part.vocab), sizeof(PrefixScratch), top_k_kernel, part, specs, rows,
                    heads_.data());
    });
  }

 private:
  int top_k_;  // as created
  SlotSpecs<int> specs_;
  RowMemory<uint64_t> heads_, ranks_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::TopK>(
    "top-k", false, "keeps the most likely tokens", gpt2run::kTopKOptions, std::size(gpt2run::kTopKOptions));
