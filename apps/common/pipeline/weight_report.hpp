// --report weights: what the chosen precision's type does to the model's weights, without running it.
#pragma once
#include <string>

#include "common/pipeline/choice.hpp"

namespace gpt2run {

// A table with a line for each tensor and one for all together. Throws Error when the model cannot be opened or the
// precision's type is not known.
std::string weight_report(const Selection& choice);

}  // namespace gpt2run
