// Sampler mirostat on the device: draws from the tokens whose surprise is within a bound, which follows the surprise
// that was observed. The bound of each slot is part of the slot's options in device memory.
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

// Chooses a token. Writes the next bound to `mu`. masses: (V), for the block's own use.
GPT2RUN_DEVICE int32_t mirostat_of(const float* logits, int vocab, const RowKey& key, const MirostatSpec& spec,
                                   int64_t* mu, uint64_t* masses, RowScratch& scratch) {
  const uint64_t best = greatest_rank(logits, vocab, scratch);
  if (!is_usable(key_of(best))) return kNone;
  if (spec.temperature == 0) return id_at(best);
  uint64_t own = 0;
  for_own(logits, vocab, [&](int id, float logit) {
    masses[id] = mass_of(logit, logit_of(key_of(best)), spec.temperature);
    own += masses[id];
  });
  const uint64_t least = mass_within(spec.mu, block_sum(own, scratch));
  if (least > kWholeMass) {  // every token is more surprising: the most likely one
    if (thread_id() == 0) *mu = next_mu(spec.mu, spec, kWholeMass, kWholeMass);
    return id_at(best);
  }
  own = 0;
  for (int id = thread_id(); id < vocab; id += kRowThreads) own += masses[id] >= least ? masses[id] : 0;
  const uint64_t kept = block_sum(own, scratch);
  const auto by_id = [&](int id, uint64_t& number) {
    number = static_cast<uint64_t>(kMaxVocab - id);
    const uint64_t mass = masses[id];
    return mass >= least ? mass : 0;
  };
  const uint64_t point = draw(key.seed, key.sequence, key.position + key.shift, kept);
  const int32_t id = id_at(first_prefix(vocab, kIdBits, point + 1, scratch, by_id).last);
  if (thread_id() == 0) *mu = next_mu(spec.mu, spec, kept, masses[id]);
  return id;
}

// masses: (rows of the launch, V). One block per multiprocessor is enough, because there are few rows.
GPT2RUN_KERNEL(kRowThreads, 1)
mirostat_kernel(LogitBatch batch, MirostatSpec* specs, uint64_t* masses) {
  const int row = block_x();
  const RowKey key = batch.keys[row];
  const MirostatSpec spec = specs[key.slot];  // before thread 0 changes it
  const int32_t id = mirostat_of(batch.logits + row * batch.stride, batch.vocab, key, spec, &specs[key.slot].mu,
                                 masses + int64_t{row} * batch.vocab, row_scratch());
  if (thread_id() == 0) chosen_at(batch, row) = id;
}

class Mirostat final : public Sampler {
 public:
  Mirostat(const Options& options, const Host&) : spec_(mirostat_spec(options)) {}
  void prepare(const LogitBatch& layout) override {
    specs_.prepare(layout, spec_);
    masses_.prepare(layout);
  }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, options ? mirostat_spec(*options) : spec_);
  }
  void sample(const LogitBatch& batch) override {
    launch_rows("mirostat", masses_.rows(), sizeof(RowScratch), mirostat_kernel, batch, specs_.of(batch),
                masses_.data());
  }

 private:
  MirostatSpec spec_;  // as created
  SlotSpecs<MirostatSpec> specs_;
  RowMemory<uint64_t> masses_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::Mirostat>(
    "mirostat", true, "one draw that keeps the surprise of a text even (Mirostat 2.0)", gpt2run::kMirostatOptions,
    std::size(gpt2run::kMirostatOptions));
