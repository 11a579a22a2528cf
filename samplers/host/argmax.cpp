// Sampler argmax: the token with the greatest logit, the lowest id among equals. Changes no logits, allocates nothing.
#include "gpt2run/select.hpp"

namespace gpt2run {
namespace {

class Argmax final : public Sampler {
 public:
  Argmax(const Options&, const Host&) {}
  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) choice_of(batch, row) = select_argmax(logits_of(batch, row));
  }
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = {
    .abi = gpt2run::kAbi,
    .tag = gpt2run::kTag,
    .kind = gpt2run::Kind::sampler,
    .space = gpt2run::Space::host,
    .selects = true,
    .name = "argmax",
    .version = "0.1.0",
    .summary = "the most likely token",
    .options = nullptr,
    .option_count = 0,
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sampler, gpt2run::Argmax>,
};
