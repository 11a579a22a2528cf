// Option values other than the defaults, made from a plugin's declarations.
#pragma once
#include <vector>

#include "conformance/checks.hpp"

namespace gpt2run::conformance {

// Variants with one option changed, a few values for each, and one with all options changed. Only those are returned
// with which the sampler can be created. A text option is tried with token ids, and with ids and numbers; those that
// mean something else refuse them and keep their defaults. Empty if no option can be changed.
std::vector<OptionValues> option_variants(const Plugin& sampler);

// The options that were set, for messages, such as "top_k=2".
std::string changes_of(const OptionValues&);

}  // namespace gpt2run::conformance
