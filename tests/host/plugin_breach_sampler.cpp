// A sampler that breaks one promise, chosen by BREACH; 0 breaks none. The conformance kit must notice each.
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

#include "gpt2run/sdk/select.hpp"

namespace {

enum Breach {
  none,
  reads_padding,
  hangs_on_slot,
  remembers,
  edits_logits,
  takes_nan,
  writes_beside,
  takes_dropped,
  writes_keys,
  keeps_session,
  ignores_options,
  configures_all,
  keeps_options,
  reads_options_late,
  throws_no_error
};

constexpr gpt2run::OptionSpec kOptions[] = {{"shift", "int", "0", "[0, 16]", "added to the id of the token"}};

struct Breaker final : gpt2run::Sampler {
  Breaker(const gpt2run::Options& options, const gpt2run::Host&) : created_(options.integer("shift")) {}

  void prepare(const gpt2run::LogitBatch& layout) override {
    if (BREACH == keeps_session && sessions_++ > 0) ++created_;
    shifts_.assign(layout.slots, created_);
  }

  void configure(int32_t slot, const gpt2run::Options* options) override {
    if (BREACH == throws_no_error && options) throw std::logic_error("no options here");
    if (BREACH == ignores_options || (BREACH == keeps_options && !options)) return;
    const int64_t shift = options ? options->integer("shift") : created_;
    shifts_[slot] = shift;
    if (BREACH == configures_all) shifts_.assign(shifts_.size(), shift);
    late_ = BREACH == reads_options_late ? options : nullptr;
  }

  void sample(const gpt2run::LogitBatch& batch) override {
    if (late_) late_->integer("shift");
    for (int32_t row = 0; row < batch.rows; ++row) {
      const int32_t best = choose(batch, row);
      const auto shift = static_cast<int32_t>(shifts_[batch.keys[row].slot]);
      gpt2run::choice_of(batch, row) = best < 0 ? best : (best + shift) % batch.vocab;
    }
    if (BREACH == edits_logits) batch.logits[0] *= 2;
    if (BREACH == writes_keys) const_cast<gpt2run::RowKey&>(batch.keys[0]).shift = 1;
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

  int64_t created_;
  std::vector<int64_t> shifts_;  // (S)
  const gpt2run::Options* late_ = nullptr;
  int calls_ = 0, sessions_ = 0;
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
                  .options = kOptions,
                  .option_count = 1,
                  .probe = gpt2run::runs_everywhere,
                  .create = gpt2run::make<gpt2run::Sampler, Breaker>};
