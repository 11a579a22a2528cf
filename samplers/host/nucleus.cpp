// Sampler nucleus: temperature, then the top_k most likely tokens, then those above min_p, then the smallest part of
// them whose probability reaches top_p, then one draw. Exact (select.hpp): the same logits, seed, sequence and position
// give the same token.
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class Nucleus final : public Sampler {
 public:
  Nucleus(const Options& options, const Host&) : spec_(nucleus_spec(options)) {}

  void prepare(const LogitBatch& layout) override { scratch_.prepare(layout.vocab); }

  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) {
      const RowKey& key = batch.keys[row];
      choice_of(batch, row) =
          select_nucleus(logits_of(batch, row), spec_, batch.seed, key.sequence, key.position, scratch_);
    }
  }

 private:
  SelectSpec spec_;
  SelectScratch scratch_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = {
    .abi = gpt2run::kAbi,
    .tag = gpt2run::kTag,
    .kind = gpt2run::Kind::sampler,
    .space = gpt2run::Space::host,
    .selects = true,
    .name = "nucleus",
    .version = "0.1.0",
    .summary = "one draw from the most likely tokens (temperature, top-k, min-p, top-p)",
    .options = gpt2run::kNucleusOptions,
    .option_count = std::size(gpt2run::kNucleusOptions),
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sampler, gpt2run::Nucleus>,
};
