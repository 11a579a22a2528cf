// Sampler min-p: drops the tokens whose probability is below min_p times that of the most likely one.
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class MinP final : public Sampler {
 public:
  MinP(const Options& options, const Host&) : min_p_(options.real("min_p")), temperature_(options.real("temp")) {}

  void prepare(const LogitBatch& layout) override { scratch_.prepare(layout.vocab); }

  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) keep_min_p(logits_of(batch, row), min_p_, temperature_, scratch_);
  }

 private:
  double min_p_, temperature_;
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
    .name = "min-p",
    .version = "0.1.0",
    .summary = "keeps the tokens that are likely enough beside the most likely one",
    .options = gpt2run::kMinPOptions,
    .option_count = std::size(gpt2run::kMinPOptions),
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sampler, gpt2run::MinP>,
};
