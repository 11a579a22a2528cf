// A row of logits as ranks and probability masses in host memory, for samplers that look at all tokens.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "gpt2run/sdk/select.hpp"

namespace gpt2run {

struct HostMasses {
  std::vector<uint64_t> ranks, masses;  // (V), by id
  std::vector<detail::Weighted> items;  // (V)

  // Allocates for rows of `vocab` logits. Throws Error if vocab is not in [1, kMaxVocab].
  void prepare(int32_t vocab) {
    if (vocab < 1 || vocab > kMaxVocab) fail("vocabulary: expected 1 to ", kMaxVocab, " tokens, found ", vocab);
    const auto size = static_cast<size_t>(vocab);
    ranks.resize(size), masses.resize(size), items.resize(size);
  }

  // Fills ranks. Returns the greatest. Throws Error for a row of another length.
  uint64_t rank(std::span<const float> logits) {
    if (logits.size() != ranks.size()) fail("expected a row of ", ranks.size(), " logits, found ", logits.size());
    for (size_t id = 0; id < logits.size(); ++id) ranks[id] = rank_of(order_key(logits[id]), static_cast<int32_t>(id));
    return *std::max_element(ranks.begin(), ranks.end());
  }

  // Fills masses, after ranks. Returns their sum. best: the greatest rank, of a usable row. temperature: above 0.
  uint64_t weigh(uint64_t best, double temperature) {
    detail::masses(ranks, logit_of(static_cast<uint32_t>(best >> 32)), temperature, masses.data());
    uint64_t total = 0;
    for (const uint64_t mass : masses) total += mass;
    return total;
  }
};

}  // namespace gpt2run
