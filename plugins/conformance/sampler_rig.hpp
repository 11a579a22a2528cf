// A session's side of a sampler: logits, keys and the token table in host memory, filled anew for every call and
// checked after it. Everything that a sampler must leave alone is filled with values that would give it away.
#pragma once
#include <vector>

#include "conformance/checks.hpp"
#include "gpt2run/sampler.hpp"

namespace gpt2run::conformance {

inline constexpr int kRows = 4, kSlots = 6, kVocab = 17, kStride = 24, kContext = 8;

struct SamplerRow {
  RowKey key;
  std::vector<float> logits;  // (kVocab)
};

struct SamplerResult {
  int32_t token;              // what stands at [slot][position]
  std::vector<float> logits;  // (kVocab)
};

class SamplerRig {
 public:
  // Makes the sampler and prepares it.
  explicit SamplerRig(const Plugin&);

  // One batch of 1 to kRows rows in different slots. Throws Error when the sampler touched what is not its own:
  // padding, other tokens, logprobs, for a selector the logits, for the others the tokens; or a selector wrote neither
  // a token nor kNone.
  std::vector<SamplerResult> sample(const std::vector<SamplerRow>& rows, uint64_t seed = 42);

 private:
  void fill(const std::vector<SamplerRow>& rows, uint64_t seed);
  void check(const std::vector<SamplerRow>& rows) const;

  bool selects_;
  std::unique_ptr<Sampler> sampler_;
  std::vector<float> logits_, before_;        // (kRows, kStride)
  std::vector<int32_t> tokens_, old_tokens_;  // (kSlots, kContext + 1)
  std::vector<float> logprobs_;               // same shape
  std::vector<RowKey> keys_;                  // (kRows)
  LogitBatch layout_;
};

}  // namespace gpt2run::conformance
