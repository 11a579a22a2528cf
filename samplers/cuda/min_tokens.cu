// Sampler min-tokens on the device: drops the tokens that end a text until it has enough new ones.
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

GPT2RUN_KERNEL(kRowThreads)
min_tokens_kernel(LogitBatch batch, const MinTokensSpec* specs) {
  const MinTokensSpec& spec = spec_of(specs, batch, block_x());
  const RowKey key = batch.keys[block_x()];
  if (key.position - key.prompt >= spec.min_tokens || thread_id() > 0) return;
  float* logits = batch.logits + block_x() * batch.stride;
  // By one thread, because an id may be there twice.
  for (int i = 0; i < spec.count; ++i)
    if (spec.ends[i] < batch.vocab) logits[spec.ends[i]] = dropped(logits[spec.ends[i]]);
}

class MinTokens final : public Sampler {
 public:
  MinTokens(const Options& options, const Host&) : spec_(min_tokens_spec(options)) {}
  void prepare(const LogitBatch& layout) override { specs_.prepare(layout, spec_); }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, options ? min_tokens_spec(*options) : spec_);
  }
  void sample(const LogitBatch& batch) override {
    launch_rows("min_tokens", batch.rows, 0, min_tokens_kernel, batch, specs_.of(batch));
  }

 private:
  MinTokensSpec spec_;  // as created
  SlotSpecs<MinTokensSpec> specs_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::MinTokens>(
    "min-tokens", false, "a text does not end before it has enough new tokens", gpt2run::kMinTokensOptions,
    std::size(gpt2run::kMinTokensOptions));
