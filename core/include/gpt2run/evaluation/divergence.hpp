// How far apart two next-token distributions are: one row of raw logits of a reference and one of a test, for the same
// position of the same text. Everything is computed in double; a logarithm is natural, so that information is in nats.
// Letters: p the reference's distribution, q the test's, both softmax over the whole row; V vocabulary.
//
// Equal rows give exactly 0 for every divergence and difference and exactly 1 for every likeness. Exchanging the rows
// exchanges the two KL divergences and turns the sign of logprob_difference, bit for bit, and leaves the others as they
// are. A divergence of 1e-12 is as exact as one of 1: with d = log p - log q, KL is summed as p (exp(-d) - 1 + d),
// which differs from p d by p - q, a sum of 0, and has no terms that cancel; an error e of d costs only e^2 / 2. tvd
// is of first order: beside its relative error it is off by about 1e-16.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "gpt2run/error.hpp"

namespace gpt2run {

enum class Metric : uint8_t {
  kl_ref_test,         // KL(p || q) = sum p (log p - log q): what is lost by coding the reference with the test
  kl_test_ref,         // KL(q || p)
  js,                  // Jensen-Shannon: half of KL(p || m) + KL(q || m) with m the mean of p and q; at most log 2
  tvd,                 // total variation distance: half of sum |p - q|, in [0, 1]
  logit_mse,           // mean (test - ref)^2 of the logits as they are
  logit_mse_aligned,   // the same once each row's mean is taken off: softmax does not see an offset, logit_mse does
  cosine,              // of the two rows of logits
  cosine_aligned,      // the same once each row's mean is taken off
  logprob_difference,  // log q(x) - log p(x) of x, the token that really follows
  top1_agreement,      // 1 if both rows have the same most likely token, else 0; the lowest id of equal ones
  topk_overlap,        // share of the k most likely tokens of the reference that are among those of the test
};
inline constexpr int kMetrics = 11;

struct MetricSpec {
  std::string_view name;  // as in files and options
  std::string_view unit;  // "nats", "logits^2", or "" for a pure number
  double equal;           // the value of two equal rows
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
  double entropy;                       // of the reference, nats
  double margin;                        // the reference's best logit minus its second; 0 for a vocabulary of one
  double margin_probability;            // the same of the probabilities
  int32_t ref_token, test_token;        // the most likely ones
  double ref_logprob, test_logprob;     // of the token that really follows

  double& operator[](Metric metric) { return values[static_cast<size_t>(metric)]; }
  double operator[](Metric metric) const { return values[static_cast<size_t>(metric)]; }
};

// Compares rows; keeps its working memory from row to row. One thread at a time.
//
// A dropped token (-infinity) has probability 0: dropped in both rows it takes part in nothing, dropped by the test
// only it makes kl_ref_test infinite, dropped by the reference only kl_test_ref. Tokens at +infinity share all
// probability. Logit metrics leave out what is not finite in both rows, but an entry that is infinite in one row only
// makes both mean squares infinite. A target that neither row can produce has logprob_difference 0.
class DivergenceMeter {
 public:
  // top_k: k of topk_overlap, at least 1; of a smaller vocabulary it is the vocabulary.
  explicit DivergenceMeter(int32_t top_k = 10);

  // target: id of the token that really follows. Throws Error for rows of different length, a target outside of them, a
  // NaN (naming the side and the id) and a row without any token left.
  RowDivergence compare(std::span<const float> ref, std::span<const float> test, int32_t target);

 private:
  struct Row {
    std::vector<double> logits;  // those that softmax sees
    std::vector<double> masses;  // exp of them, all over one factor
    std::vector<int32_t> best;   // the most likely ids, in order
    double mass, log_sum;        // sum of the masses, log of the sum of exp
    double logprob(int32_t id) const { return logits[id] - log_sum; }
    double probability(int32_t id) const { return masses[id] / mass; }
  };

  void take(Row& row, std::span<const float> logits, std::string_view side) const;
  void add_information(RowDivergence& result) const;

  int32_t top_k_;
  Row ref_, test_;
};

}  // namespace gpt2run
