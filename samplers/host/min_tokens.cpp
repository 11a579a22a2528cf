// Sampler min-tokens: drops the tokens that end a text until it has enough new ones.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class MinTokens final : public RowSampler<MinTokens, MinTokensSpec, NoScratch> {
 public:
  MinTokens(const Options& options, const Host&) : RowSampler(options) {}
  static MinTokensSpec spec_of(const Options& options) { return min_tokens_spec(options); }

  void sample_row(const LogitBatch& batch, int32_t row, const MinTokensSpec& spec, NoScratch&) {
    if (batch.keys[row].position - batch.keys[row].prompt >= spec.min_tokens) return;
    const std::span<float> logits = logits_of(batch, row);
    for (int32_t i = 0; i < spec.count; ++i)
      if (spec.ends[i] < batch.vocab) logits[spec.ends[i]] = dropped(logits[spec.ends[i]]);
  }
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::MinTokens>(
    "min-tokens", false, "a text does not end before it has enough new tokens", gpt2run::kMinTokensOptions);
