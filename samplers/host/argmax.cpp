// Sampler argmax: selects the token with the greatest logit, and of equal ones that with the lowest id.
#include "../common/host_sampler.hpp"

namespace gpt2run {
namespace {

class Argmax final : public Sampler {
 public:
  Argmax(const Options&, const Host&) {}
  void configure(int32_t, const Options*) override {}  // there are no options
  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) choice_of(batch, row) = select_argmax(logits_of(batch, row));
  }
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::Argmax>("argmax", true, "the most likely token");
