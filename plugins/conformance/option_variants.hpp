// Other options than the defaults, made of a plugin's own declarations.
#pragma once
#include <vector>

#include "conformance/checks.hpp"

namespace gpt2run::conformance {

// One option changed, a few values of each, and one with all options changed; only what the sampler can be created
// with. Text options keep their defaults. Empty where the plugin has no options that can be changed.
std::vector<OptionValues> option_variants(const Plugin& sampler);

// "top_k=2", of the options that are not at their defaults.
std::string changes_of(const OptionValues&);

}  // namespace gpt2run::conformance
