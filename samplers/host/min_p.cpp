// Sampler min-p: drops the tokens whose probability is below min_p times that of the most likely one.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class MinP final : public RowSampler<MinP, MinPSpec> {
 public:
  MinP(const Options& options, const Host&) : RowSampler(options) {}
  static MinPSpec spec_of(const Options& options) { return min_p_spec(options); }

  void sample_row(const LogitBatch& batch, int32_t row, const MinPSpec& spec, SelectScratch& scratch) {
    keep_min_p(logits_of(batch, row), spec.min_p, spec.temperature, scratch);
  }
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::MinP>(
    "min-p", false, "keeps the tokens that are likely enough beside the most likely one", gpt2run::kMinPOptions);
