// A sampler that takes the most likely token, or does what no plugin may, by its option.
#include <cstdlib>
#include <stdexcept>

#include "gpt2run/sdk/select.hpp"

namespace {

constexpr gpt2run::OptionSpec kOptions[] = {
    {"act", "enum", "none", "none|exit_in_create|exit|throw_in_create|throw|exception_in_create|token", "what it does"},
    {"token", "int", "0", "[-1000000, 1000000]", "what it chooses with act=token"},
};

struct Rogue final : gpt2run::Sampler {
  Rogue(const gpt2run::Options& options, const gpt2run::Host&)
      : act_(options.text("act")), token_(static_cast<int32_t>(options.integer("token"))) {
    if (act_ == "exit_in_create") std::exit(0);
    if (act_ == "throw_in_create") throw 7;
    if (act_ == "exception_in_create") throw std::out_of_range("there is no place 8");
  }

  void sample(const gpt2run::LogitBatch& batch) override {
    if (act_ == "exit") std::exit(0);
    if (act_ == "throw") throw "a text";
    for (int32_t row = 0; row < batch.rows; ++row)
      gpt2run::choice_of(batch, row) =
          act_ == "token" ? token_ : gpt2run::select_argmax(gpt2run::logits_of(batch, row));
  }

  std::string act_;
  int32_t token_;
};

}  // namespace

GPT2RUN_PLUGIN = {.abi = gpt2run::kAbi,
                  .tag = gpt2run::kTag,
                  .kind = gpt2run::Kind::sampler,
                  .space = gpt2run::Space::host,
                  .selects = true,
                  .name = FIXTURE_NAME,
                  .version = "1",
                  .summary = "does what no plugin may",
                  .options = kOptions,
                  .option_count = std::size(kOptions),
                  .probe = gpt2run::runs_everywhere,
                  .create = gpt2run::make<gpt2run::Sampler, Rogue>};
