// Divergence of two next-token distributions. It compares one row of raw logits of a reference with one row of a test,
// both for the same position of the same text. Everything is computed in double. Logarithms are natural, so information
// is in nats. Letters: p is the reference's distribution and q the test's, both a softmax over the whole row; V is the
// vocabulary.
//
// Equal rows give exactly 0 for every divergence and difference, and exactly 1 for every similarity. Swapping the two
// rows swaps the two KL divergences and the sign of logprob_difference, bit for bit, and leaves the symmetric metrics
// unchanged.
//
// Small divergences keep their precision: 1e-12 is as accurate as 1. With d = log p - log q, KL is summed as
// p (exp(-d) - 1 + d). That differs from p d by p - q, which sums to 0, and it has no terms that cancel; an error e in
// d costs only e^2 / 2. tvd is of first order in d, so it has an absolute error of about 1e-16 beside its relative one.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "gpt2run/error.hpp"

namespace gpt2run {

enum class Metric : uint8_t {
  kl_ref_test,         // KL(p || q) = sum p (log p - log q): the cost of coding the reference with the test
  kl_test_ref,         // KL(q || p)
  js,                  // Jensen-Shannon: half of KL(p || m) + KL(q || m) with m the mean of p and q; at most log 2
  tvd,                 // total variation distance: half of sum |p - q|, in [0, 1]
  logit_mse,           // mean (test - ref)^2 of the logits
  logit_mse_aligned,   // the same after each row's mean is subtracted; softmax ignores an offset, logit_mse does not
  cosine,              // of the two rows of logits
  cosine_aligned,      // the same after each row's mean is subtracted
  logprob_difference,  // log q(x) - log p(x), where x is the token that follows in the text
  top1_agreement,      // 1 if both rows have the same most likely token, else 0; the lowest id wins a tie
  topk_overlap,        // fraction of the reference's k most likely tokens that are among the test's
};
inline constexpr int kMetrics = 11;

struct MetricSpec {
  std::string_view name;  // as in files and options
  std::string_view unit;  // "nats", "logits^2", or "" for a pure number
  double equal;           // the value for two equal rows
};

constexpr MetricSpec spec_of(Metric metric) {
  constexpr MetricSpec specs[kMetrics] = {{"kl_ref_test", "nats", 0},
                                          {"kl_test_ref", "nats", 0},
                                          {"js", "nats", 0},
                                          {"tvd", "", 0},
                                          {"logit_mse", "logits^2", 0},
                                          {"logit_mse_aligned", "logits^2", 0},
                                          {"cosine", "", 1},
                                          {"cosine_aligned", "", 1},
                                          {"logprob_difference", "nats", 0},
                                          {"top1_agreement", "", 1},
                                          {"topk_overlap", "", 1}};
  return specs[static_cast<size_t>(metric)];
}

struct RowDivergence {
  std::array<double, kMetrics> values;  // by Metric
  double entropy;                       // of the reference, in nats
  double margin;                        // the reference's best logit minus its second best; 0 if V is 1
  double margin_probability;            // the same for the probabilities
  int32_t ref_token, test_token;        // the most likely token of each row
  double ref_logprob, test_logprob;     // of the token that follows in the text

  double& operator[](Metric metric) { return values[static_cast<size_t>(metric)]; }
  double operator[](Metric metric) const { return values[static_cast<size_t>(metric)]; }
};

// Computes the metrics of two rows, and keeps its scratch memory from one call to the next. One thread at a time.
//
// A dropped token (logit -infinity) has probability 0. If both rows drop it, no metric counts it. If only the test
// drops it, kl_ref_test is infinite; if only the reference does, kl_test_ref is. Tokens at +infinity share all the
// probability. The logit metrics skip an entry that is not finite in both rows, but an entry that is infinite in only
// one of them makes both mean squares infinite. logprob_difference is 0 if the target has probability 0 in both rows.
class DivergenceMeter {
 public:
  // top_k: the k of topk_overlap, at least 1. A smaller vocabulary is used whole.
  explicit DivergenceMeter(int32_t top_k = 10);

  // target: id of the token that follows in the text. Throws Error for rows of different length, for a target outside
  // them, for a NaN (naming the side and the id), and for a row without a token that can be chosen.
  RowDivergence compare(std::span<const float> ref, std::span<const float> test, int32_t target);

 private:
  struct Row {
    std::vector<double> logits;  // as softmax uses them
    std::vector<double> masses;  // exp(logit), all scaled by the same factor
    std::vector<int32_t> best;   // ids of the most likely tokens, most likely first
    double mass, log_sum;        // sum of the masses; log of the sum of exp(logit)
    double logprob(int32_t id) const { return logits[id] - log_sum; }
    double probability(int32_t id) const { return masses[id] / mass; }
  };

  void prepare_row(Row& row, std::span<const float> logits, std::string_view side) const;
  void add_information(RowDivergence& result) const;

  int32_t top_k_;
  Row ref_, test_;
};

}  // namespace gpt2run
