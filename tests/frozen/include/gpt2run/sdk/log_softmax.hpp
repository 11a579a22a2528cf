// A row of logits as probabilities: the softmax's sum, the log-probability of a token, and the tokens that are the most
// likely. All sums are in double and in the order of ids, so that everybody who asks gets the same bits. A NaN or a
// +infinity among the logits makes every probability NaN.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "gpt2run/sdk/select.hpp"

namespace gpt2run {

// softmax(logits)[id] = exp(logits[id] - greatest) / sum.
struct SoftmaxSum {
  double greatest;  // logit
  double sum;       // of exp(logit - greatest)
};

inline SoftmaxSum softmax_sum(std::span<const float> logits) {
  SoftmaxSum found{-std::numeric_limits<double>::infinity(), 0};
  for (const float logit : logits) found.greatest = std::max(found.greatest, double{logit});
  for (const float logit : logits) found.sum += std::exp(logit - found.greatest);
  return found;
}

// Natural log of softmax(logits)[id]; logits: (vocab).
inline double log_probability(const float* logits, int vocab, int32_t id) {
  const SoftmaxSum all = softmax_sum({logits, static_cast<size_t>(vocab)});
  return logits[id] - all.greatest - std::log(all.sum);
}

// The `count` most likely tokens, or all if there are fewer, the most likely first and equal ones by id.
inline std::vector<int32_t> most_likely(std::span<const float> logits, int32_t count) {
  using detail::kBlock;
  const size_t wanted = std::min(static_cast<size_t>(std::max(count, 0)), logits.size());
  if (wanted == 0) return {};
  // As many blocks as tokens are wanted reach the least of their greatest keys, so nothing below it is among the first.
  std::vector<uint32_t> maxima((logits.size() + kBlock - 1) / kBlock);
  detail::block_maxima(logits, maxima.data());
  uint32_t least = 0;
  if (wanted <= maxima.size()) {
    std::vector<uint32_t> ordered = maxima;
    const auto last = ordered.begin() + static_cast<std::ptrdiff_t>(wanted) - 1;
    std::nth_element(ordered.begin(), last, ordered.end(), std::greater<>());
    least = *last;
  }
  std::vector<uint64_t> ranks;
  for (size_t block = 0; block < maxima.size(); ++block) {
    if (maxima[block] < least) continue;
    const size_t end = std::min(logits.size(), (block + 1) * kBlock);
    for (size_t id = block * kBlock; id < end; ++id) {
      const uint32_t key = order_key(logits[id]);
      if (key >= least) ranks.push_back(rank_of(key, static_cast<int32_t>(id)));
    }
  }
  const auto end = ranks.begin() + static_cast<std::ptrdiff_t>(wanted);
  std::partial_sort(ranks.begin(), end, ranks.end(), std::greater<>());
  std::vector<int32_t> ids(wanted);
  std::transform(ranks.begin(), end, ids.begin(), [](uint64_t rank) { return id_of(rank); });
  return ids;
}

}  // namespace gpt2run
