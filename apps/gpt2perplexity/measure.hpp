// Perplexity of texts under several precisions. All precisions score the same windows, so that their log-probabilities
// can be compared token by token.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/evaluation/evaluation.hpp"
#include "common/evaluation/protocol.hpp"
#include "common/ranks/ranked_items.hpp"
#include "common/ranks/ranked_start.hpp"

namespace gpt2run {

// The texts to score, and the windows that the protocol cuts from them.
struct Work {
  std::vector<Prompt> texts;
  std::vector<ScoredWindow> windows;

  int64_t targets() const;
  int64_t rows(const Ranks& ranks) const;  // how many rows this rank computes, for one precision
};

// The length in bytes of the text of all targets. None without a tokenizer, or when it has no text for one of them.
std::optional<int64_t> bytes_of(const Work& work, const Tokenizer* tokenizer);

// The negative natural log-probabilities (NLL) of all targets, in the order of windows. Every rank must call it and
// scores its own windows; rank 0 returns the result, the others nothing. progress: called with the rows of each window
// that is done here. Throws Error naming the precision, the text and the token for a log-probability that is NaN.
std::vector<double> nll_of(const BoundPlugin& precision, const Checkpoint& checkpoint, const Work& work,
                           const Resources& resources, Ranks& ranks, const std::function<void(int64_t)>& progress);

// A mean with its standard errors: as if tokens were independent, and by batch means.
struct Estimate {
  double value;
  double standard_error, batch_standard_error;  // NaN for fewer than two tokens
};

// What was measured for one precision.
struct Result {
  std::string precision;
  int64_t tokens;
  Estimate nll;                         // mean over targets, in nats
  Estimate perplexity;                  // exp(nll); its errors are exp(nll) times those of nll (delta method)
  std::optional<double> bits_per_byte;  // sum of nll / ln 2 / bytes
  std::optional<Estimate> difference;   // mean of nll minus the first precision's by target; none for the first
};

// nll: as nll_of() returns it. first: the same of the first precision, or null for the first itself. bytes: as
// bytes_of() returns it.
Result result_of(std::string precision, const std::vector<double>& nll, const std::vector<double>* first,
                 std::optional<int64_t> bytes);

}  // namespace gpt2run
