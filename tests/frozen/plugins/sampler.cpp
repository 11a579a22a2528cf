// Sampler frozen: one draw from the most likely tokens, with options by slot.
#include <vector>

#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sdk/select.hpp"

namespace gpt2run {
namespace {

constexpr OptionSpec kOptions[] = {{"temp", "real", "1", "[0, inf)", "temperature that divides the logits"},
                                   {"top_k", "int", "10", "[0, 262143]", "most likely tokens to choose from"}};

class Frozen final : public Sampler {
 public:
  Frozen(const Options& options, const Host&) : created_(spec_of(options)) {}

  void prepare(const LogitBatch& layout) override {
    specs_.assign(layout.slots, created_);
    scratch_.prepare(layout.vocab);
  }
  void configure(int32_t slot, const Options* options) override {
    specs_.at(slot) = options ? spec_of(*options) : created_;
  }
  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) {
      const RowKey& key = batch.keys[row];
      choice_of(batch, row) = select_nucleus(logits_of(batch, row), specs_[key.slot], key.seed, key.sequence,
                                             key.position + key.shift, scratch_);
    }
  }

 private:
  static SelectSpec spec_of(const Options& options) {
    return {.temperature = options.real("temp"),
            .top_k = static_cast<int32_t>(options.integer("top_k")),
            .min_p = 0,
            .top_p = 1};
  }

  SelectSpec created_;
  std::vector<SelectSpec> specs_;  // (S)
  SelectScratch scratch_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Sampler, gpt2run::Frozen>(gpt2run::Kind::sampler, true, "frozen", "1",
                                                                         "one draw", gpt2run::kOptions);
