// A row of logits as probabilities: the softmax's sum, the log-probability of a token, and the tokens that are the most
// likely. All sums are in double and in the order of ids, so that everybody who asks gets the same bits. A NaN or a
// +infinity among the logits makes every probability NaN.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

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
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto end = ids.begin() + std::min<std::ptrdiff_t>(count, std::ssize(ids));
  std::partial_sort(ids.begin(), end, ids.end(),
                    [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  ids.erase(end, ids.end());
  return ids;
}

}  // namespace gpt2run
