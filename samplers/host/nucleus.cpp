// Sampler nucleus: temperature, then the top_k most likely tokens, then those above min_p, then the smallest part of
// them whose probability reaches top_p, then one draw. Exact (select.hpp): the same logits, seed, sequence and position
// give the same token.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class Nucleus final : public RowSampler {
 public:
  Nucleus(const Options& options, const Host&) : spec_(nucleus_spec(options)) {}

 private:
  void sample_row(const LogitBatch& batch, int32_t row, SelectScratch& scratch) override {
    const RowKey& key = batch.keys[row];
    choice_of(batch, row) =
        select_nucleus(logits_of(batch, row), spec_, batch.seed, key.sequence, key.position, scratch);
  }

  SelectSpec spec_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::Nucleus>(
    "nucleus", true, "one draw from the most likely tokens (temperature, top-k, min-p, top-p)",
    gpt2run::kNucleusOptions);
