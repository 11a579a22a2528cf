// Sampler top-k: drops all but the top_k most likely tokens, the lowest ids among equals.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class TopK final : public RowSampler {
 public:
  TopK(const Options& options, const Host&) : top_k_(static_cast<int32_t>(options.integer("top_k"))) {}

 private:
  void sample_row(const LogitBatch& batch, int32_t row, SelectScratch& scratch) override {
    keep_top_k(logits_of(batch, row), top_k_, scratch);
  }

  int32_t top_k_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN =
    gpt2run::host_sampler<gpt2run::TopK>("top-k", false, "keeps the most likely tokens", gpt2run::kTopKOptions);
