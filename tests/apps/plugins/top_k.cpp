// A sampler named top-k that drops all but the most likely tokens: for the rules of chains.
#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include "gpt2run/sampler.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {{"top_k", "int", "3", "[1, inf)", "tokens that stay"}};

class TopK final : public Sampler {
 public:
  TopK(const Options& options, const Host&) : k_(options.integer("top_k")) {}

  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) {
      float* logits = batch.logits + row * batch.stride;
      std::vector<float> sorted(logits, logits + batch.vocab);
      const auto last = sorted.begin() + std::min<int64_t>(k_, batch.vocab) - 1;
      std::nth_element(sorted.begin(), last, sorted.end(), std::greater<>());
      for (int32_t id = 0; id < batch.vocab; ++id)
        if (logits[id] < *last) logits[id] = -std::numeric_limits<float>::infinity();
    }
  }

 private:
  int64_t k_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = {.abi = gpt2run::kAbi,
                  .tag = gpt2run::kTag,
                  .kind = gpt2run::Kind::sampler,
                  .space = gpt2run::Space::host,
                  .selects = false,
                  .name = "top-k",
                  .version = "1",
                  .summary = "keeps the most likely tokens",
                  .options = gpt2run::kOptions,
                  .option_count = std::size(gpt2run::kOptions),
                  .probe = gpt2run::runs_everywhere,
                  .create = gpt2run::make<gpt2run::Sampler, gpt2run::TopK>};
