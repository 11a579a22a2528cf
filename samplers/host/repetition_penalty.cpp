// Sampler repetition-penalty: tokens of the text so far, prompt included, become less likely; each once, however often
// it occurred.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class RepetitionPenalty final : public Sampler {
 public:
  RepetitionPenalty(const Options& options, const Host&)
      : penalty_(static_cast<float>(options.real("penalty"))),
        last_n_(static_cast<size_t>(options.integer("last_n"))) {}

  void prepare(const LogitBatch& layout) override { seen_.assign(layout.vocab, 0); }

  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) {
      const std::span<const int32_t> history = history_of(batch, row);
      const bool whole = last_n_ == 0 || last_n_ >= history.size();
      penalize(logits_of(batch, row), whole ? history : history.last(last_n_));
    }
  }

 private:
  void penalize(std::span<float> logits, std::span<const int32_t> history) {
    // An id that is no token stands where an earlier sampler found none: the pipeline reports it.
    const auto is_token = [&](int32_t id) { return id >= 0 && static_cast<size_t>(id) < logits.size(); };
    for (const int32_t id : history) {
      if (!is_token(id) || seen_[id]) continue;
      seen_[id] = 1;
      logits[id] = penalized(logits[id], penalty_);
    }
    for (const int32_t id : history)
      if (is_token(id)) seen_[id] = 0;
  }

  float penalty_;
  size_t last_n_;
  std::vector<char> seen_;  // (V), all 0 between rows
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::RepetitionPenalty>("repetition-penalty", false,
                                                                   "makes tokens of the text so far less likely (CTRL)",
                                                                   gpt2run::kRepetitionPenaltyOptions);
