// Sampler no-repeat-ngram on the device: drops the tokens that would complete a run of `ngram` tokens that the text,
// prompt included, has already. Each token is dropped once, by the thread that sets its bit.
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

GPT2RUN_KERNEL(kRowThreads)
no_repeat_ngram_kernel(LogitBatch batch, const int* ngrams) {
  const int ngram = spec_of(ngrams, batch, block_x());
  if (ngram == 0) return;
  auto* seen = static_cast<uint32_t*>(shared_memory());  // one bit per token
  const RowKey key = batch.keys[block_x()];
  float* logits = batch.logits + block_x() * batch.stride;
  const int32_t* history = batch.tokens + key.slot * batch.token_stride;
  for (int word = thread_id(); word < divided_up(batch.vocab, 32); word += kRowThreads) seen[word] = 0;
  sync_block();
  for (int i = ngram - 1 + thread_id(); i < key.position; i += kRowThreads) {
    const int32_t id = history[i];
    if (id < 0 || id >= batch.vocab) continue;  // no token could be selected there; the engine reports it
    if (!follows_the_same(history, key.position, i, ngram - 1)) continue;
    const uint32_t bit = uint32_t{1} << id % 32;
    if (!(atomic_or(&seen[id / 32], bit) & bit)) logits[id] = dropped(logits[id]);
  }
}

class NoRepeatNgram final : public Sampler {
 public:
  NoRepeatNgram(const Options& options, const Host&) : ngram_(ngram_of(options)) {}
  void prepare(const LogitBatch& layout) override { specs_.prepare(layout, ngram_); }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, options ? ngram_of(*options) : ngram_);
  }
  void sample(const LogitBatch& batch) override {
    launch_rows("no_repeat_ngram", batch.rows, divided_up(batch.vocab, 32) * sizeof(uint32_t), no_repeat_ngram_kernel,
                batch, specs_.of(batch));
  }

 private:
  int ngram_;  // as created
  SlotSpecs<int> specs_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::NoRepeatNgram>(
    "no-repeat-ngram", false, "no run of tokens comes twice in a text", gpt2run::kNoRepeatNgramOptions,
    std::size(gpt2run::kNoRepeatNgramOptions));
