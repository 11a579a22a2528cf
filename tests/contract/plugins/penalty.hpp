// Repetition penalty (Keskar et al. 2019) as a processor with token history: logits of tokens that occurred are divided
// by `penalty` if positive, multiplied if negative.
#pragma once
#include <vector>

#include "gpt2run/sampler.hpp"

namespace gpt2run::test {

inline constexpr OptionSpec kPenaltyOptions[] = {{"penalty", "real", "1.5", "[1, inf)", "1 changes nothing"}};

inline void penalize(const LogitBatch& batch, float penalty, std::vector<char>& seen) {
  for (int r = 0; r < batch.rows; ++r) {
    const RowKey& key = batch.keys[r];
    float* logits = batch.logits + r * batch.stride;
    seen.assign(batch.vocab, 0);
    for (int t = 0; t < key.position; ++t) {
      const int32_t id = batch.tokens[key.slot * batch.token_stride + t];
      if (id < 0 || seen[id]) continue;
      seen[id] = 1;
      logits[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
    }
  }
}

}  // namespace gpt2run::test
