// Sampler nucleus on the device: the steps of select_nucleus, with radix selects in place of partial sorts.
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

struct NucleusSpec {
  double temperature;
  int top_k;
  uint64_t least, top_p;  // from least_mass() and fixed_top_p()
};

NucleusSpec device_spec(const SelectSpec& spec) {
  return {spec.temperature, spec.top_k, least_mass(spec.min_p), fixed_top_p(spec.top_p)};
}

// Writes the probability masses of the thread's own tokens, 0 for those that top-k and min-p drop. Returns the sum over
// the block.
GPT2RUN_DEVICE uint64_t write_masses(const float* logits, int vocab, uint64_t best, uint64_t last,
                                     const NucleusSpec& spec, uint64_t* masses, RowScratch& scratch) {
  const float max = logit_of(key_of(best));
  uint64_t sum = 0;
  for_own(logits, vocab, [&](int id, float logit) {
    const bool stays = rank_of(order_key(logit), id) >= last;
    const uint64_t mass = stays ? mass_of(logit, max, spec.temperature) : 0;
    masses[id] = mass >= spec.least ? mass : 0;
    sum += masses[id];
  });
  return block_sum(sum, scratch);
}

GPT2RUN_DEVICE int32_t nucleus_of(const float* logits, int vocab, const RowKey& key, const NucleusSpec& spec,
                                  uint64_t* masses, RowScratch& scratch) {
  const uint64_t best = greatest_rank(logits, vocab, scratch);
  if (!is_usable(key_of(best))) return kNone;
  if (spec.temperature == 0) return id_at(best);
  uint64_t last = last_of_top_k(logits, vocab, spec.top_k, scratch);
  uint64_t kept = write_masses(logits, vocab, best, last, spec, masses, scratch);
  if (spec.top_p != kKeepAll) {
    const uint64_t target = top_p_target(spec.top_p, kept);
    const auto by_rank = [&](int id, uint64_t& rank) {
      rank = rank_of(order_key(logits[id]), id);
      return masses[id];
    };
    const Prefix prefix = first_prefix(vocab, 32 + kIdBits, target > 0 ? target : 1, scratch, by_rank);
    kept = prefix.sum, last = prefix.last;
  }
  const auto by_id = [&](int id, uint64_t& number) {
    number = static_cast<uint64_t>(kMaxVocab - id);
    const uint64_t mass = masses[id];
    return rank_of(order_key(logits[id]), id) >= last ? mass : 0;
  };
  const uint64_t point = draw(key.seed, key.sequence, key.position + key.shift, kept);
  return id_at(first_prefix(vocab, kIdBits, point + 1, scratch, by_id).last);
}

// masses: (rows of the launch, V). One block per multiprocessor is enough, because there are few rows; for more blocks
// the compiler would spill registers.
GPT2RUN_KERNEL(kRowThreads, 1)
nucleus_kernel(LogitBatch batch, const NucleusSpec* specs, uint64_t* masses) {
  const int row = block_x();
  const int32_t id = nucleus_of(batch.logits + row * batch.stride, batch.vocab, batch.keys[row],
                                spec_of(specs, batch, row), masses + int64_t{row} * batch.vocab, row_scratch());
  if (thread_id() == 0) chosen_at(batch, row) = id;
}

class Nucleus final : public Sampler {
 public:
  Nucleus(const Options& options, const Host&) : spec_(nucleus_spec(options)) { check(spec_); }

  void prepare(const LogitBatch& layout) override {
    specs_.prepare(layout, device_spec(spec_));
    masses_.prepare(layout);
  }

  void configure(int32_t slot, const Options* options) override {
    const SelectSpec spec = options ? nucleus_spec(*options) : spec_;
    check(spec);
    specs_.set(slot, device_spec(spec));
  }

  void sample(const LogitBatch& batch) override {
    launch_rows("nucleus", masses_.rows(), sizeof(RowScratch), nucleus_kernel, batch, specs_.of(batch), masses_.data());
  }

 private:
  SelectSpec spec_;  // as created
  SlotSpecs<NucleusSpec> specs_;
  RowMemory<uint64_t> masses_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::Nucleus>(
    "nucleus", true, "one draw from the most likely tokens (temperature, top-k, min-p, top-p)",
    gpt2run::kNucleusOptions, std::size(gpt2run::kNucleusOptions));
