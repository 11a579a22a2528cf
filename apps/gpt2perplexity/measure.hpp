// What precisions hold of a text's tokens. All of them walk the same windows, so that they can be compared token by
// token.
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

struct Work {
  std::vector<Prompt> texts;
  std::vector<Window> windows;

  int64_t targets() const;
  int64_t rows(const Ranks& ranks) const;  // that go through the network of this rank
};

// Bytes of all targets' text, as the tokenizer says them; none where it has no text for one of them.
std::optional<int64_t> bytes_of(const Work& work, const Tokenizer* tokenizer);

// Negative natural logs of the targets' probabilities, in the order of windows. Called by every rank, each walks its
// own windows; the result is rank 0's, the others get none. progress: called with the rows of each window that is done
// here. Throws Error naming precision, text and token for a probability that is no number.
std::vector<double> nll_of(const BoundPlugin& precision, const Checkpoint& checkpoint, const Work& work,
                           const Resources& resources, Ranks& ranks, const std::function<void(int64_t)>& progress);

struct Estimate {
  double value;
  double standard_error, batch_standard_error;  // NaN of fewer than two tokens
};

struct Result {
  std::string precision;
  int64_t tokens;
  Estimate nll;                         // mean over targets; errors as if they were drawn independently, and by batches
  Estimate perplexity;                  // exp(nll); its errors are exp(nll) x those of nll, the delta method
  std::optional<double> bits_per_byte;  // sum of nll / ln 2 / bytes
  std::optional<Estimate> difference;   // nll minus the first precision's, target by target; none of the first
};

// first: of the first precision, null: this is it. bytes: as bytes_of().
Result result_of(std::string precision, const std::vector<double>& nll, const std::vector<double>* first,
                 std::optional<int64_t> bytes);

}  // namespace gpt2run
