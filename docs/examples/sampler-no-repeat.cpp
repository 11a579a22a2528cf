// Sampler no-repeat: never repeats a run of `size` tokens in a text. It drops the tokens that would complete such a
// run, and leaves the choice to the next sampler of the chain: --sampler no-repeat,nucleus. Each request may have a
// size of its own.
#include <algorithm>
#include <limits>
#include <vector>

#include "gpt2run/sdk/select.hpp"

namespace {

constexpr gpt2run::OptionSpec kOptions[] = {
    {"size", "int", "3", "[1, 1024]", "tokens of a run that may come once only, prompt included"},
};

class NoRepeat final : public gpt2run::Sampler {
 public:
  NoRepeat(const gpt2run::Options& options, const gpt2run::Host&) : created_(size_of(options)) {}

  void prepare(const gpt2run::LogitBatch& layout) override { sizes_.assign(layout.slots, created_); }

  void configure(int32_t slot, const gpt2run::Options* options) override {
    sizes_.at(slot) = options ? size_of(*options) : created_;
  }

  void sample(const gpt2run::LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row)
      drop(gpt2run::history_of(batch, row), gpt2run::logits_of(batch, row), sizes_[batch.keys[row].slot]);
  }

 private:
  static size_t size_of(const gpt2run::Options& options) { return static_cast<size_t>(options.integer("size")); }

  static void drop(std::span<const int32_t> history, std::span<float> logits, size_t size) {
    const size_t before = size - 1;  // the tokens of a run before the last one
    if (history.size() < before) return;
    const std::span<const int32_t> end = history.last(before);
    for (size_t i = 0; i + before < history.size(); ++i) {
      const int32_t next = history[i + before];
      if (next >= 0 && next < std::ssize(logits) && std::equal(end.begin(), end.end(), &history[i]))
        logits[next] = -std::numeric_limits<float>::infinity();
    }
  }

  size_t created_;             // the size that the sampler was created with
  std::vector<size_t> sizes_;  // (S), that of each slot's request
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
