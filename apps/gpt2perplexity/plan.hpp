// What is to be measured: the options of the program, and what they mean for a model.
#pragma once
#include <span>

#include "gpt2perplexity/measure.hpp"

namespace gpt2run {

std::span<const CoreOption> perplexity_options();

// Throws UsageError for lengths that do not go together, or that the protocol or the model has no use for.
Rule rule_of(const Configuration& configuration, const ModelConfig& model);

// Options that decide what is computed, for the manifest.
std::vector<RecordedOption> recorded_options(const Configuration& configuration, const Evaluation& evaluation,
                                             const Rule& rule);

}  // namespace gpt2run
