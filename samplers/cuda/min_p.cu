// Sampler min-p on the device: drops the tokens whose probability is below min_p times that of the most likely one.
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

struct Spec {
  uint64_t least;  // from least_mass()
  double temperature;
};

Spec device_spec(const MinPSpec& spec) { return {least_mass(spec.min_p), spec.temperature}; }

GPT2RUN_KERNEL(kRowThreads)
min_p_kernel(LogitBatch batch, const Spec* specs) {
  const uint64_t least = spec_of(specs, batch, block_x()).least;
  const double temperature = spec_of(specs, batch, block_x()).temperature;
  float* logits = batch.logits + block_x() * batch.stride;
  const uint32_t max = key_of(greatest_rank(logits, batch.vocab, row_scratch()));
  if (!is_usable(max) || least == 0) return;
  for_own(logits, batch.vocab, [&](int id, float logit) {
    const bool stays = temperature > 0 ? mass_of(logit, logit_of(max), temperature) >= least : order_key(logit) == max;
    if (!stays) logits[id] = logit_of(kMinusInfinityKey);
  });
}

class MinP final : public Sampler {
 public:
  MinP(const Options& options, const Host&) : spec_(min_p_spec(options)) {}
  void prepare(const LogitBatch& layout) override { specs_.prepare(layout, device_spec(spec_)); }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, device_spec(options ? min_p_spec(*options) : spec_));
  }
  void sample(const LogitBatch& batch) override {
    launch_rows("min_p", batch.rows, sizeof(RowScratch), min_p_kernel, batch, specs_.of(batch));
  }

 private:
  MinPSpec spec_;  // as created
  SlotSpecs<Spec> specs_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::MinP>(
    "min-p", false, "keeps the tokens that are likely enough beside the most likely one", gpt2run::kMinPOptions,
    std::size(gpt2run::kMinPOptions));
