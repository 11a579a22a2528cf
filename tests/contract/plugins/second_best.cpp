// A host sampler in one small file: the second most likely token.
#include <cmath>

#include "gpt2run/sampler.hpp"

namespace {

struct SecondBest : gpt2run::Sampler {
  SecondBest(const gpt2run::Options&, const gpt2run::Host&) {}

  void sample(const gpt2run::LogitBatch& batch) override {
    for (int r = 0; r < batch.rows; ++r) {
      const float* logits = batch.logits + r * batch.stride;
      int best = gpt2run::kNone, second = gpt2run::kNone;  // an error that the run reports, unless a token is found
      for (int id = 0; id < batch.vocab; ++id) {
        if (std::isnan(logits[id])) {
          best = second = gpt2run::kNone;
          break;
        }
        if (logits[id] == -INFINITY) continue;  // dropped by an earlier sampler of the chain
        if (best < 0 || logits[id] > logits[best])
          second = best, best = id;
        else if (second < 0 || logits[id] > logits[second])
          second = id;
      }
      batch.tokens[batch.keys[r].slot * batch.token_stride + batch.keys[r].position] = second < 0 ? best : second;
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
