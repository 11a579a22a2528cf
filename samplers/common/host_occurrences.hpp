// The samplers frequency-penalty and presence-penalty in host memory, which differ in what they subtract.
#pragma once
#include "host_sampler.hpp"
#include "options.hpp"

namespace gpt2run {

// How often each token has occurred; all 0 between rows.
struct OccurrenceCounts {
  std::vector<int32_t> of;  // (V)
  void prepare(int32_t vocab) { of.assign(static_cast<size_t>(vocab), 0); }
};

// kEveryTime: frequency-penalty, else presence-penalty.
template <bool kEveryTime>
class OccurrencePenalty final : public RowSampler<OccurrencePenalty<kEveryTime>, OccurrenceSpec, OccurrenceCounts> {
 public:
  OccurrencePenalty(const Options& options, const Host&)
      : RowSampler<OccurrencePenalty, OccurrenceSpec, OccurrenceCounts>(options) {}
  static OccurrenceSpec spec_of(const Options& options) { return occurrence_spec(options, kEveryTime); }

  void sample_row(const LogitBatch& batch, int32_t row, const OccurrenceSpec& spec, OccurrenceCounts& counts) {
    const RowKey& key = batch.keys[row];
    const std::span<float> logits = logits_of(batch, row);
    const std::span<const int32_t> history =
        history_of(batch, row).subspan(std::min(first_counted(spec, key.prompt, key.position), key.position));
    // The history may contain ids that are not tokens, where no token could be selected. The engine reports these.
    const auto is_token = [&](int32_t id) { return id >= 0 && static_cast<size_t>(id) < logits.size(); };
    for (const int32_t id : history)
      if (is_token(id)) ++counts.of[id];
    for (const int32_t id : history) {
      if (!is_token(id) || counts.of[id] == 0) continue;
      logits[id] = less_by_occurrences(logits[id], counts.of[id], spec);
      counts.of[id] = 0;
    }
  }
};

}  // namespace gpt2run
