// Sampler top-k: keeps the top_k most likely tokens, and of equal ones those with the lowest ids.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class TopK final : public RowSampler<TopK, int32_t> {
 public:
  TopK(const Options& options, const Host&) : RowSampler(options) {}
  static int32_t spec_of(const Options& options) { return top_k_of(options); }

  void sample_row(const LogitBatch& batch, int32_t row, int32_t top_k, SelectScratch& scratch) {
    keep_top_k(logits_of(batch, row), top_k, scratch);
  }
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN =
    gpt2run::host_sampler<gpt2run::TopK>("top-k", false, "keeps the most likely tokens", gpt2run::kTopKOptions);
