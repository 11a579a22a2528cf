// Sampler top-k: drops all but the top_k most likely tokens, the lowest ids among equals.
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class TopK final : public Sampler {
 public:
  TopK(const Options& options, const Host&) : top_k_(static_cast<int32_t>(options.integer("top_k"))) {}

  void prepare(const LogitBatch& layout) override { scratch_.prepare(layout.vocab); }

  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) keep_top_k(logits_of(batch, row), top_k_, scratch_);
  }

 private:
  int32_t top_k_;
  SelectScratch scratch_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = {
    .abi = gpt2run::kAbi,
    .tag = gpt2run::kTag,
    .kind = gpt2run::Kind::sampler,
    .space = gpt2run::Space::host,
    .selects = false,
    .name = "top-k",
    .version = "0.1.0",
    .summary = "keeps the most likely tokens",
    .options = gpt2run::kTopKOptions,
    .option_count = std::size(gpt2run::kTopKOptions),
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sampler, gpt2run::TopK>,
};
