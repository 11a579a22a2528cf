// Sampler no-repeat: no run of `size` tokens comes twice in a text. It drops the tokens that would end such a run, and
// leaves the choice to the sampler behind it: --sampler no-repeat,nucleus.
#include <algorithm>
#include <limits>

#include "gpt2run/sdk/select.hpp"

namespace {

constexpr gpt2run::OptionSpec kOptions[] = {
    {"size", "int", "3", "[1, 1024]", "tokens of a run that may come once only, prompt included"},
};

class NoRepeat final : public gpt2run::Sampler {
 public:
  NoRepeat(const gpt2run::Options& options, const gpt2run::Host&)
      : before_(static_cast<size_t>(options.integer("size")) - 1) {}

  void sample(const gpt2run::LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row)
      drop(gpt2run::history_of(batch, row), gpt2run::logits_of(batch, row));
  }

 private:
  void drop(std::span<const int32_t> history, std::span<float> logits) const {
    if (history.size() < before_) return;
    const std::span<const int32_t> end = history.last(before_);
    for (size_t i = 0; i + before_ < history.size(); ++i) {
      const int32_t next = history[i + before_];
      if (next >= 0 && next < std::ssize(logits) && std::equal(end.begin(), end.end(), &history[i]))
        logits[next] = -std::numeric_limits<float>::infinity();
    }
  }

  size_t before_;  // tokens of a run before its last
};

}  // namespace

GPT2RUN_PLUGIN = {
    .abi = gpt2run::kAbi,
    .tag = gpt2run::kTag,
    .kind = gpt2run::Kind::sampler,
    .space = gpt2run::Space::host,
    .selects = false,
    .name = "no-repeat",
    .version = "1.0",
    .summary = "no run of tokens comes twice",
    .options = kOptions,
    .option_count = std::size(kOptions),
    .probe = gpt2run::runs_everywhere,
    .create = gpt2run::make<gpt2run::Sampler, NoRepeat>,
};
