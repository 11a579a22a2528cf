// Sampler mirostat: draws from the tokens whose surprise is within a bound, which follows the surprise that was
// observed, so that a text keeps the same surprise throughout (Mirostat 2.0, Basu et al. 2021). The bound is the state
// of a slot.
#include "../common/host_masses.hpp"
#include "../common/host_sampler.hpp"
#include "../common/options.hpp"

namespace gpt2run {
namespace {

class Mirostat final : public Sampler {
 public:
  Mirostat(const Options& options, const Host&) : specs_(mirostat_spec(options)) {}

  void prepare(const LogitBatch& layout) override {
    scratch_.prepare(layout.vocab);
    specs_.prepare(layout);
  }

  void configure(int32_t slot, const Options* options) override {
    if (!options) return specs_.set(slot, nullptr);
    const MirostatSpec spec = mirostat_spec(*options);
    specs_.set(slot, &spec);
  }

  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row)
      choice_of(batch, row) = choose(logits_of(batch, row), batch.keys[row], specs_.of(batch, row));
  }

 private:
  // Returns the token, and changes spec.mu.
  int32_t choose(std::span<const float> logits, const RowKey& key, MirostatSpec& spec) {
    const uint64_t best = scratch_.rank(logits);
    if (!is_usable(static_cast<uint32_t>(best >> 32))) return kNone;
    if (spec.temperature == 0) return id_of(best);
    const uint64_t least = mass_within(spec.mu, scratch_.weigh(best, spec.temperature));
    if (least > kWholeMass) {  // every token is more surprising: the most likely one
      spec.mu = next_mu(spec.mu, spec, kWholeMass, kWholeMass);
      return id_of(best);
    }
    uint64_t kept = 0;
    for (uint64_t& mass : scratch_.masses) {
      mass = mass >= least ? mass : 0;
      kept += mass;
    }
    const uint64_t point = draw(key.seed, key.sequence, key.position + key.shift, kept);
    const int32_t id = detail::token_at(scratch_.ranks, scratch_.masses, 0, point);
    spec.mu = next_mu(spec.mu, spec, kept, scratch_.masses[id]);
    return id;
  }

  HostMasses scratch_;
  SlotSpecs<MirostatSpec> specs_;
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_sampler<gpt2run::Mirostat>(
    "mirostat", true, "one draw that keeps the surprise of a text even (Mirostat 2.0)", gpt2run::kMirostatOptions);
