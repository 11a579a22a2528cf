// Sampler typical on the device: keeps the tokens whose surprise is nearest to the entropy of the row, by a radix
// select in place of a partial sort.
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

// The rank of a token in the order of typicality.
GPT2RUN_DEVICE uint64_t typical_rank(float logit, int id, float max, double temperature, double mean) {
  return rank_of(typical_key(distance_of(logit, max, temperature), mean), id);
}

// Drops all but the most typical tokens. masses: (V), for the block's own use.
GPT2RUN_DEVICE void drop_untypical(float* logits, int vocab, float max, const TypicalSpec& spec, uint64_t* masses,
                                   RowScratch& scratch) {
  const double temperature = spec.temperature;
  uint64_t own_total = 0, own_sum = 0;
  for_own(logits, vocab, [&](int id, float logit) {
    const uint64_t mass = masses[id] = mass_of(logit, max, temperature);
    own_total += mass;
    own_sum += weighted_distance(mass, distance_of(logit, max, temperature));
  });
  const uint64_t total = block_sum(own_total, scratch);
  const double mean = mean_distance(block_sum(own_sum, scratch), total);
  const auto by_rank = [&](int id, uint64_t& rank) {
    rank = typical_rank(logits[id], id, max, temperature, mean);
    return masses[id];
  };
  const uint64_t last = first_prefix(vocab, 32 + kIdBits, typical_target(spec, total), scratch, by_rank).last;
  for_own(logits, vocab, [&](int id, float logit) {
    if (typical_rank(logit, id, max, temperature, mean) < last) logits[id] = logit_of(kMinusInfinityKey);
  });
}

// masses: (rows of the launch, V). One block per multiprocessor is enough, because there are few rows.
GPT2RUN_KERNEL(kRowThreads, 1)
typical_kernel(LogitBatch batch, const TypicalSpec* specs, uint64_t* masses) {
  const TypicalSpec& spec = spec_of(specs, batch, block_x());
  float* logits = batch.logits + block_x() * batch.stride;
  const uint32_t max = key_of(greatest_rank(logits, batch.vocab, row_scratch()));
  if (!is_usable(max) || spec.typical_p == kKeepAll) return;
  if (spec.temperature > 0) {
    masses += int64_t{block_x()} * batch.vocab;
    return drop_untypical(logits, batch.vocab, logit_of(max), spec, masses, row_scratch());
  }
  // Only the tokens with the greatest logit have a probability.
  for_own(logits, batch.vocab, [&](int id, float logit) {
    if (order_key(logit) != max) logits[id] = logit_of(kMinusInfinityKey);
  });
}

class Typical final : public Sampler {
 public:
  Typical(const Options& options, const Host&) : spec_(typical_spec(options)) {}
  void prepare(const LogitBatch& layout) override {
    specs_.prepare(layout, spec_);
    masses_.prepare(layout);
  }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, options ? typical_spec(*options) : spec_);
  }
  void sample(const LogitBatch& batch) override {
    launch_rows("typical", masses_.rows(), sizeof(RowScratch), typical_kernel, batch, specs_.of(batch), masses_.data());
  }

 private:
  TypicalSpec spec_;  // as created
  SlotSpecs<TypicalSpec> specs_;
  RowMemory<uint64_t> masses_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::Typical>(
    "typical", false, "keeps the tokens that are as surprising as expected (Meister et al.)", gpt2run::kTypicalOptions,
    std::size(gpt2run::kTypicalOptions));
