// A sampler that takes the most likely token until it comes to one sequence: there it fails, or ends its process.
#include <signal.h>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/select.hpp"

namespace {

constexpr gpt2run::OptionSpec kOptions[] = {
    {"sequence", "int", "0", "[0, 1000000]", "where to stumble"},
    {"how", "enum", "error", "error|die|hang", "an error, a SIGKILL, or waiting for one"},
};

struct Stumble : gpt2run::Sampler {
  Stumble(const gpt2run::Options& options, const gpt2run::Host&)
      : sequence_(static_cast<uint64_t>(options.integer("sequence"))), how_(options.text("how")) {}

  void sample(const gpt2run::LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) {
      if (batch.keys[row].sequence == sequence_) stumble();
      gpt2run::choice_of(batch, row) = gpt2run::select_argmax(gpt2run::logits_of(batch, row));
    }
  }

  void stumble() const {
    if (how_ == "error") gpt2run::fail("stumbled over sequence ", sequence_);
    raise(how_ == "die" ? SIGKILL : SIGSTOP);
  }

  uint64_t sequence_;
  std::string how_;
};

}  // namespace

GPT2RUN_PLUGIN = {.abi = gpt2run::kAbi,
                  .tag = gpt2run::kTag,
                  .kind = gpt2run::Kind::sampler,
                  .space = gpt2run::Space::host,
                  .selects = true,
                  .name = "stumble",
                  .version = "1",
                  .summary = "argmax that stumbles over one sequence",
                  .options = kOptions,
                  .option_count = std::size(kOptions),
                  .probe = gpt2run::runs_everywhere,
                  .create = gpt2run::make<gpt2run::Sampler, Stumble>};
