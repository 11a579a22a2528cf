// Sampler coin: selects the most likely token, or by chance the second most likely one.
#include <cmath>
#include <limits>
#include <vector>

#include "gpt2run/sdk/random.hpp"
#include "gpt2run/sdk/select.hpp"

namespace {

constexpr gpt2run::OptionSpec kOptions[] = {
    {"chance", "real", "0.25", "[0, 1]", "probability of the second most likely token"},
};

class CoinSampler final : public gpt2run::Sampler {
 public:
  CoinSampler(const gpt2run::Options& options, const gpt2run::Host&) : chance_(options.real("chance")) {}

  void prepare(const gpt2run::LogitBatch& layout) override { others_.resize(layout.vocab); }

  void sample(const gpt2run::LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) {
      const gpt2run::RowKey& key = batch.keys[row];
      const uint64_t bits = gpt2run::random_bits(key.seed, key.sequence, key.position + key.shift);
      const bool second = std::ldexp(static_cast<double>(bits >> 11), -53) < chance_;
      gpt2run::choice_of(batch, row) = choose(gpt2run::logits_of(batch, row), second);
    }
  }

 private:
  int32_t choose(std::span<const float> logits, bool second) {
    const int32_t best = gpt2run::select_argmax(logits);
    if (best == gpt2run::kNone || !second) return best;
    others_.assign(logits.begin(), logits.end());
    others_[best] = -std::numeric_limits<float>::infinity();
    const int32_t next = gpt2run::select_argmax(others_);
    return next == gpt2run::kNone ? best : next;
  }

  double chance_;
  std::vector<float> others_;  // (V)
};

}  // namespace

GPT2RUN_PLUGIN = {
    .abi = gpt2run::kAbi,
    .tag = gpt2run::kTag,
    .kind = gpt2run::Kind::sampler,
    .space = gpt2run::Space::host,
    .selects = true,
    .name = "coin",
    .version = "1.0",
    .summary = "the most likely token, or with a chance the second",
    .options = kOptions,
    .option_count = std::size(kOptions),
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sampler, CoinSampler>,
};
