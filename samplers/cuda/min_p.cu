// Sampler min-p on the device: drops the tokens whose probability is below min_p times that of the most likely one.
#include "../common/options.hpp"
#include "heads.cuh"

namespace gpt2run::cuda {
namespace {

struct Spec {
  uint64_t least;  // from least_mass()
  double temperature;
};

Spec device_spec(const MinPSpec& spec) { return {least_mass(spec.min_p), spec.temperature}; }

// heads: (rows, slices)
GPT2RUN_KERNEL(kSlice)
min_p_kernel(LogitBatch batch, const Spec* specs, const uint64_t* heads) {
  const uint64_t least = spec_of(specs, batch, block_y()).least;
  const double temperature = spec_of(specs, batch, block_y()).temperature;
  const int slices = blocks_x(), id = block_x() * kSlice + thread_id();
  const uint32_t max = key_of(greatest_head(heads + block_y() * slices, slices, row_scratch()));
  if (!is_usable(max) || least == 0 || id >= batch.vocab) return;
  float& logit = batch.logits[block_y() * batch.stride + id];
  const bool stays = temperature > 0 ? mass_of(logit, logit_of(max), temperature) >= least : order_key(logit) == max;
  if (!stays) logit = logit_of(kMinusInfinityKey);
}

class MinP final : public Sampler {
 public:
  MinP(const Options& options, const Host&) : spec_(min_p_spec(options)) {}
  void prepare(const LogitBatch& layout) override {
    specs_.prepare(layout, device_spec(spec_));
    heads_.prepare(layout, slices_of(layout.vocab));
  }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, device_spec(options ? min_p_spec(*options) : spec_));
  }
  void sample(const LogitBatch& batch) override {
    const Spec* specs = specs_.of(batch);
    for_parts(batch, heads_.rows(), [&](const LogitBatch& part) {
      launch_heads(part, heads_.data());
      launch_slices("min_p", slice_threads(part.vocab), sizeof(RowScratch), min_p_kernel, part, specs, heads_.data());
    });
  }

 private:
  MinPSpec spec_;  // as created
  SlotSpecs<Spec> specs_;
  RowMemory<uint64_t> heads_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::MinP>(
    "min-p", false, "keeps the tokens that are likely enough beside the most likely one", gpt2run::kMinPOptions,
    std::size(gpt2run::kMinPOptions));
