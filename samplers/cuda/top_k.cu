// Sampler top-k on the device: keeps the top_k most likely tokens, and of equal ones those with the lowest ids.
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

GPT2RUN_KERNEL(kRowThreads)
top_k_kernel(LogitBatch batch, const int* top_ks) {
  RowScratch& scratch = row_scratch();
  float* logits = batch.logits + block_x() * batch.stride;
  if (!is_usable(key_of(greatest_rank(logits, batch.vocab, scratch)))) return;
  const uint64_t last = last_of_top_k(logits, batch.vocab, spec_of(top_ks, batch, block_x()), scratch);
  for_own(logits, batch.vocab, [&](int id, float logit) {
    if (rank_of(order_key(logit), id) < last) logits[id] = logit_of(kMinusInfinityKey);
  });
}

class TopK final : public Sampler {
 public:
  TopK(const Options& options, const Host&) : top_k_(top_k_of(options)) {}
  void prepare(const LogitBatch& layout) override { specs_.prepare(layout, top_k_); }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, options ? top_k_of(*options) : top_k_);
  }
  void sample(const LogitBatch& batch) override {
    launch_rows("top_k", batch.rows, sizeof(RowScratch), top_k_kernel, batch, specs_.of(batch));
  }

 private:
  int top_k_;  // as created
  SlotSpecs<int> specs_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::TopK>(
    "top-k", false, "keeps the most likely tokens", gpt2run::kTopKOptions, std::size(gpt2run::kTopKOptions));
