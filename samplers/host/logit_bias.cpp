// Sampler logit-bias: adds a number to the logits of some tokens, or drops them.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class LogitBias final : public Sampler {
 public:
  LogitBias(const Options& options, const Host&) : created_(biases_of(options)), specs_(created_) {}

  void prepare(const LogitBatch& layout) override {
    check_ids(created_, layout.vocab);
    specs_.prepare(layout);
    vocab_ = layout.vocab;
  }

  void configure(int32_t slot, const Options* options) override {
    if (!options) return specs_.set(slot, nullptr);
    const std::vector<TokenBias> biases = biases_of(*options);
    check_ids(biases, vocab_);
    specs_.set(slot, &biases);
  }

  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) {
      const std::span<float> logits = logits_of(batch, row);
      for (const auto& [id, bias] : specs_.of(batch, row)) logits[id] = biased(logits[id], bias);
    }
  }

 private:
  std::vector<TokenBias> created_;
  SlotSpecs<std::vector<TokenBias>> specs_;
  int32_t vocab_ = 0;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::LogitBias>(
    "logit-bias", false, "adds numbers to the logits of some tokens, or bans them", gpt2run::kLogitBiasOptions);
