// Sampler repetition-penalty: makes the tokens of the text so far, prompt included, less likely. Each token is
// penalized once, however often it has occurred.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class RepetitionPenalty final : public Sampler {
 public:
  RepetitionPenalty(const Options& options, const Host&) : specs_(penalty_spec(options)) {}

  void prepare(const LogitBatch& layout) override {
    specs_.prepare(layout);
    seen_.assign(layout.vocab, 0);
  }

  void configure(int32_t slot, const Options* options) override {
    if (!options) return specs_.set(slot, nullptr);
    const PenaltySpec spec = penalty_spec(*options);
    specs_.set(slot, &spec);
  }

  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) {
      const PenaltySpec& spec = specs_.of(batch, row);
      const std::span<const int32_t> history = history_of(batch, row);
      const bool whole = spec.last_n == 0 || spec.last_n >= std::ssize(history);
      penalize(logits_of(batch, row), whole ? history : history.last(spec.last_n), spec.penalty);
    }
  }

 private:
  void penalize(std::span<float> logits, std::span<const int32_t> history, float penalty) {
    // The history may contain ids that are not tokens, where no token could be selected. The engine reports these.
    const auto is_token = [&](int32_t id) { return id >= 0 && static_cast<size_t>(id) < logits.size(); };
    for (const int32_t id : history) {
      if (!is_token(id) || seen_[id]) continue;
      seen_[id] = 1;
      logits[id] = penalized(logits[id], penalty);
    }
    for (const int32_t id : history)
      if (is_token(id)) seen_[id] = 0;
  }

  SlotSpecs<PenaltySpec> specs_;
  std::vector<char> seen_;  // (V), all 0 between rows
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::RepetitionPenalty>("repetition-penalty", false,
                                                                   "makes tokens of the text so far less likely (CTRL)",
                                                                   gpt2run::kRepetitionPenaltyOptions);
