// The options of gpt2perplexity, and the protocol with its lengths that they select for a model.
#pragma once
#include <span>

#include "gpt2perplexity/measure.hpp"

namespace gpt2run {

// All options of the program.
std::span<const CoreOption> perplexity_options();

// The protocol and its lengths, with defaults filled in. Throws UsageError for lengths that contradict each other, or
// that the protocol or the model does not allow.
Rule rule_of(const Configuration& configuration, const ModelConfig& model);

// The options that determine what is computed, for the manifest.
std::vector<RecordedOption> recorded_options(const Configuration& configuration, const Evaluation& evaluation,
                                             const Rule& rule);

}  // namespace gpt2run
