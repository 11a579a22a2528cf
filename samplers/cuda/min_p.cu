// Sampler min-p on the device: drops the tokens whose probability is below min_p times that of the most likely one.
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

GPT2RUN_KERNEL(kRowThreads)
min_p_kernel(LogitBatch batch, uint64_t least, double temperature) {
  float* logits = batch.logits + block_x() * batch.stride;
  const uint32_t max = key_of(greatest_place(logits, batch.vocab, row_scratch()));
  if (!is_usable(max) || least == 0) return;
  for_own(logits, batch.vocab, [&](int id, float logit) {
    const bool stays = temperature > 0 ? mass_of(logit, logit_of(max), temperature) >= least : order_key(logit) == max;
    if (!stays) logits[id] = logit_of(kMinusInfinityKey);
  });
}

class MinP final : public Sampler {
 public:
  MinP(const Options& options, const Host&) : min_p_(options.real("min_p")), temperature_(options.real("temp")) {
    check({.temperature = temperature_, .min_p = min_p_});
  }
  void prepare(const LogitBatch& layout) override { check_layout(layout); }
  void sample(const LogitBatch& batch) override {
    launch_rows("min_p", batch.rows, min_p_kernel, batch, least_mass(min_p_), temperature_);
  }

 private:
  double min_p_, temperature_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::MinP>(
    "min-p", false, "keeps the tokens that are likely enough beside the most likely one", gpt2run::kMinPOptions,
    std::size(gpt2run::kMinPOptions));
