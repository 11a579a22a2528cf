// A sampler that breaks one promise, chosen by BREACH; 0 breaks none. The conformance kit must notice each.
#include <limits>
#include <span>

#include "gpt2run/sdk/select.hpp"

namespace {

enum Breach { none, reads_padding, hangs_on_slot, remembers, edits_logits, takes_nan, writes_beside, takes_dropped };

struct Breaker final : gpt2run::Sampler {
  Breaker(const gpt2run::Options&, const gpt2run::Host&) {}

  void sample(const gpt2run::LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) gpt2run::choice_of(batch, row) = choose(batch, row);
    if (BREACH == edits_logits) batch.logits[0] *= 2;
    if (BREACH == writes_beside) (&gpt2run::choice_of(batch, 0))[-1] = 0;
  }

  int32_t choose(const gpt2run::LogitBatch& batch, int32_t row) {
    const auto logits = gpt2run::logits_of(batch, row);
    const int32_t best = gpt2run::select_argmax(logits);
    if (BREACH == takes_nan && best == gpt2run::kNone) return 0;
    if (best == gpt2run::kNone) return best;
    if (BREACH == reads_padding) return gpt2run::select_argmax({logits.data(), logits.size() + 1}) % batch.vocab;
    if (BREACH == hangs_on_slot) return (best + batch.keys[row].slot) % batch.vocab;
    if (BREACH == remembers) return (best + calls_++ / 16) % batch.vocab;
    if (BREACH == takes_dropped) return 3;
    return best;
  }

  int calls_ = 0;
};

}  // namespace

GPT2RUN_PLUGIN = {.abi = gpt2run::kAbi,
                  .tag = gpt2run::kTag,
                  .kind = gpt2run::Kind::sampler,
                  .space = gpt2run::Space::host,
                  .selects = true,
                  .name = FIXTURE_NAME,
                  .version = "1",
                  .summary = "breaks one promise",
                  .options = nullptr,
                  .option_count = 0,
                  .probe = gpt2run::runs_everywhere,
                  .create = gpt2run::make<gpt2run::Sampler, Breaker>};
