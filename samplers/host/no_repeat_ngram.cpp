// Sampler no-repeat-ngram: drops the tokens that would complete a run of `ngram` tokens that the text, prompt included,
// has already.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class NoRepeatNgram final : public RowSampler<NoRepeatNgram, int32_t, NoScratch> {
 public:
  NoRepeatNgram(const Options& options, const Host&) : RowSampler(options) {}
  static int32_t spec_of(const Options& options) { return ngram_of(options); }

  void sample_row(const LogitBatch& batch, int32_t row, int32_t ngram, NoScratch&) {
    if (ngram == 0) return;
    const std::span<float> logits = logits_of(batch, row);
    const std::span<const int32_t> history = history_of(batch, row);
    const auto position = static_cast<int32_t>(history.size());
    for (int32_t i = ngram - 1; i < position; ++i) {
      const int32_t id = history[i];
      // The history may contain ids that are not tokens, where no token could be selected. The engine reports these.
      if (id < 0 || id >= batch.vocab || !follows_the_same(history.data(), position, i, ngram - 1)) continue;
      logits[id] = dropped(logits[id]);
    }
  }
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::NoRepeatNgram>(
    "no-repeat-ngram", false, "no run of tokens comes twice in a text", gpt2run::kNoRepeatNgramOptions);
