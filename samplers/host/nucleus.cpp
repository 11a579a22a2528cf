// Sampler nucleus: applies the temperature, keeps the top_k most likely tokens, of these the ones that reach min_p, and
// of these the smallest set whose probability reaches top_p; then it draws one. The selection is exact (select.hpp):
// the same logits, seed, sequence and position give the same token.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class Nucleus final : public RowSampler<Nucleus, SelectSpec> {
 public:
  Nucleus(const Options& options, const Host&) : RowSampler(options) {}
  static SelectSpec spec_of(const Options& options) { return nucleus_spec(options); }

  void sample_row(const LogitBatch& batch, int32_t row, const SelectSpec& spec, SelectScratch& scratch) {
    const RowKey& key = batch.keys[row];
    choice_of(batch, row) =
        select_nucleus(logits_of(batch, row), spec, key.seed, key.sequence, key.position + key.shift, scratch);
  }
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::Nucleus>(
    "nucleus", true, "one draw from the most likely tokens (temperature, top-k, min-p, top-p)",
    gpt2run::kNucleusOptions);
