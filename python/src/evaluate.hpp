// Perplexity of texts, and comparison of models, with the measurements of gpt2perplexity and gpt2compare.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gpt2run/evaluation/divergence.hpp"
#include "open_model.hpp"

namespace gpt2run::python {

struct PerplexityResult {
  std::vector<double> nll;  // negative natural log-probabilities of all targets
  double mean, standard_error, batch_standard_error;
  std::optional<int64_t> bytes;  // of the targets' text; none where some token has no text
};

// Measures by a protocol of docs/formats.md. texts: token ids. max_length, stride: 0 for the protocol's own. Throws
// UsageError for a protocol and lengths that do not go together, and Error.
PerplexityResult perplexity(const std::shared_ptr<OpenModel>& model, const std::vector<std::vector<int32_t>>& texts,
                            const std::string& protocol, int32_t max_length, int32_t stride, const Check& check);

// One target of a comparison. position: of the token in its text. row: tokens before it that the models saw, less 1.
struct ComparedTarget {
  int32_t text, position, row, token;
  RowDivergence divergence;
};

struct CompareOptions {
  int32_t window = 0;  // most tokens before a target; 0: as many as all models hold
  int64_t limit = 0;   // most targets, from the first; 0: all
  int32_t top_k = 10;  // k of topk_overlap
};

// Compares every test with the reference on the same targets. The result is by test. Throws Error for models with
// different vocabularies, for the same model twice, and for rows that cannot be compared.
std::vector<std::vector<ComparedTarget>> compare(const std::shared_ptr<OpenModel>& reference,
                                                 const std::vector<std::shared_ptr<OpenModel>>& tests,
                                                 const std::vector<std::vector<int32_t>>& texts,
                                                 const CompareOptions& options, const Check& check);

}  // namespace gpt2run::python
