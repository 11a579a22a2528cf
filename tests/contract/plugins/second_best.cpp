// A host sampler in one small file: the second most likely token.
#include "gpt2run/sampler.hpp"

namespace {

struct SecondBest : gpt2run::Sampler {
  SecondBest(const gpt2run::Options&, const gpt2run::Host&) {}

  void sample(const gpt2run::LogitBatch& batch) override {
    for (int r = 0; r < batch.rows; ++r) {
      const float* logits = batch.logits + r * batch.stride;
      int best = 0, second = -1;
      for (int id = 1; id < batch.vocab; ++id) {
        if (logits[id] > logits[best]) {
          second = best, best = id;
        } else if (second < 0 || logits[id] > logits[second]) {
          second = id;
        }
      }
      batch.tokens[batch.keys[r].slot * batch.token_stride + batch.keys[r].position] =
          second < 0 ? gpt2run::kNone : second;
    }
  }
};

}  // namespace

GPT2RUN_PLUGIN = {gpt2run::kAbi,
                  gpt2run::kTag,
                  gpt2run::Kind::sampler,
                  gpt2run::Space::host,
                  true,
                  "second-best",
                  "1",
                  "the second most likely token",
                  nullptr,
                  0,
                  gpt2run::runs_everywhere,
                  gpt2run::make<gpt2run::Sampler, SecondBest>};
