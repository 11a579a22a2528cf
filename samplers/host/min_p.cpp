// Sampler min-p: drops the tokens whose probability is below min_p times that of the most likely one.
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class MinP final : public RowSampler {
 public:
  MinP(const Options& options, const Host&) : min_p_(options.real("min_p")), temperature_(options.real("temp")) {}

 private:
  void sample_row(const LogitBatch& batch, int32_t row, SelectScratch& scratch) override {
    keep_min_p(logits_of(batch, row), min_p_, temperature_, scratch);
  }

  double min_p_, temperature_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::MinP>(
    "min-p", false, "keeps the tokens that are likely enough beside the most likely one", gpt2run::kMinPOptions);
