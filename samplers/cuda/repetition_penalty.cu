// Sampler repetition-penalty on the device: makes the tokens of the text so far, prompt included, less likely. Each
// token is penalized once, however often it has occurred, by the thread that sets its bit.
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

constexpr int kWords = (kMaxVocab + 1) / 32;
static_assert(kWords * sizeof(uint32_t) <= kSharedBytes);

GPT2RUN_KERNEL(kRowThreads)
repetition_penalty_kernel(LogitBatch batch, const PenaltySpec* specs) {
  const float penalty = spec_of(specs, batch, block_x()).penalty;
  const int last_n = spec_of(specs, batch, block_x()).last_n;
  auto* seen = static_cast<uint32_t*>(shared_memory());  // one bit per token
  const RowKey key = batch.keys[block_x()];
  float* logits = batch.logits + block_x() * batch.stride;
  const int32_t* history = batch.tokens + key.slot * batch.token_stride;
  for (int word = thread_id(); word < divided_up(batch.vocab, 32); word += kRowThreads) seen[word] = 0;
  sync_block();
  const int first = last_n == 0 || last_n >= key.position ? 0 : key.position - last_n;
  for (int i = first + thread_id(); i < key.position; i += kRowThreads) {
    const int32_t id = history[i];
    if (id < 0 || id >= batch.vocab) continue;  // no token could be selected there; the engine reports it
    const uint32_t bit = uint32_t{1} << id % 32;
    if (!(atomic_or(&seen[id / 32], bit) & bit)) logits[id] = penalized(logits[id], penalty);
  }
}

class RepetitionPenalty final : public Sampler {
 public:
  RepetitionPenalty(const Options& options, const Host&) : spec_(penalty_spec(options)) {}
  void prepare(const LogitBatch& layout) override { specs_.prepare(layout, spec_); }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, options ? penalty_spec(*options) : spec_);
  }
  void sample(const LogitBatch& batch) override {
    launch_rows("repetition_penalty", batch.rows, divided_up(batch.vocab, 32) * sizeof(uint32_t),
                repetition_penalty_kernel, batch, specs_.of(batch));
  }

 private:
  PenaltySpec spec_;  // as created
  SlotSpecs<PenaltySpec> specs_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::RepetitionPenalty>(
    "repetition-penalty", false, "makes tokens of the text so far less likely (CTRL)",
    gpt2run::kRepetitionPenaltyOptions, std::size(gpt2run::kRepetitionPenaltyOptions));
