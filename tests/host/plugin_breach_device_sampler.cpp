// A sampler in the memory of the fake device. Its options lie there too, or, by BREACH, in what it enqueues: then a
// recorded graph holds those of the first request. The conformance kit must notice.
#include <vector>

#include "gpt2run/sdk/select.hpp"
#include "support/fake_device.hpp"

namespace {

using gpt2run::LogitBatch;

enum Breach { none, freezes_options };

constexpr gpt2run::OptionSpec kOptions[] = {{"shift", "int", "0", "[0, 16]", "added to the id of the token"}};

struct Shifting final : gpt2run::Sampler {
  Shifting(const gpt2run::Options& options, const gpt2run::Host&) : created_(options.integer("shift")) {}

  void prepare(const LogitBatch& layout) override {
    layout_ = layout;
    known_.assign(layout.slots, created_), on_device_ = known_;
  }

  void configure(int32_t slot, const gpt2run::Options* options) override {
    const int64_t shift = known_[slot] = options ? options->integer("shift") : created_;
    gpt2run::test::enqueue_on(layout_, [this, slot, shift](const LogitBatch&) { on_device_[slot] = shift; });
  }

  void sample(const LogitBatch& batch) override {
    if (BREACH == freezes_options)
      gpt2run::test::enqueue_on(batch, [shifts = known_](const LogitBatch& there) { choose(there, shifts); });
    else
      gpt2run::test::enqueue_on(batch, [this](const LogitBatch& there) { choose(there, on_device_); });
  }

  static void choose(const LogitBatch& batch, const std::vector<int64_t>& shifts) {
    for (int32_t row = 0; row < batch.rows; ++row) {
      const int32_t best = gpt2run::select_argmax(gpt2run::logits_of(batch, row));
      const auto shift = static_cast<int32_t>(shifts[batch.keys[row].slot]);
      gpt2run::choice_of(batch, row) = best < 0 ? best : (best + shift) % batch.vocab;
    }
  }

  int64_t created_;
  LogitBatch layout_ = {};
  std::vector<int64_t> known_, on_device_;  // (S)
};

}  // namespace

GPT2RUN_PLUGIN = {.abi = gpt2run::kAbi,
                  .tag = gpt2run::kTag,
                  .kind = gpt2run::Kind::sampler,
                  .space = gpt2run::Space::test,
                  .selects = true,
                  .name = FIXTURE_NAME,
                  .version = "1",
                  .summary = "the most likely token, or another",
                  .options = kOptions,
                  .option_count = 1,
                  .probe = gpt2run::runs_everywhere,
                  .create = gpt2run::make<gpt2run::Sampler, Shifting>};
