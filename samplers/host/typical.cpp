// Sampler typical: keeps the tokens whose surprise is nearest to the entropy of the row, the smallest set of them whose
// probability reaches typical_p (locally typical sampling, Meister et al. 2022).
#include "../common/host_masses.hpp"
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class Typical final : public RowSampler<Typical, TypicalSpec, HostMasses> {
 public:
  Typical(const Options& options, const Host&) : RowSampler(options) {}
  static TypicalSpec spec_of(const Options& options) { return typical_spec(options); }

  void sample_row(const LogitBatch& batch, int32_t row, const TypicalSpec& spec, HostMasses& scratch) {
    const std::span<float> logits = logits_of(batch, row);
    const uint64_t best = scratch.rank(logits);
    const auto max = static_cast<uint32_t>(best >> 32);
    if (!is_usable(max) || spec.typical_p == kKeepAll) return;
    // At temperature 0 only the tokens with the greatest logit have a probability.
    const uint64_t last = spec.temperature > 0 ? last_typical(logits, best, spec, scratch)
                                               : rank_of(max, std::numeric_limits<int>::max());
    for (size_t id = 0; id < logits.size(); ++id)
      if (scratch.ranks[id] < last) logits[id] = -std::numeric_limits<float>::infinity();
  }

 private:
  // Replaces the ranks by those in the order of typicality. Returns the last one that is kept.
  static uint64_t last_typical(std::span<const float> logits, uint64_t best, const TypicalSpec& spec,
                               HostMasses& scratch) {
    const float max = logit_of(static_cast<uint32_t>(best >> 32));
    const uint64_t total = scratch.weigh(best, spec.temperature);
    uint64_t sum = 0;
    for (size_t id = 0; id < logits.size(); ++id)
      sum += weighted_distance(scratch.masses[id], distance_of(logits[id], max, spec.temperature));
    const double mean = mean_distance(sum, total);
    uint32_t first = 0;
    for (size_t id = 0; id < logits.size(); ++id) {
      const uint32_t key = typical_key(distance_of(logits[id], max, spec.temperature), mean);
      scratch.ranks[id] = rank_of(key, static_cast<int32_t>(id));
      scratch.items[id] = {scratch.ranks[id], scratch.masses[id]};
      first = std::max(first, key);
    }
    return detail::first_prefix(scratch.items, first, typical_target(spec, total)).rank;
  }
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::Typical>(
    "typical", false, "keeps the tokens that are as surprising as expected (Meister et al.)", gpt2run::kTypicalOptions);
