// The table of --report weights: how the precision's type rounds the model's weights. Nothing is run.
#pragma once
#include <string>

#include "common/pipeline/choice.hpp"

namespace gpt2run {

// One line for each tensor and one for all of them. Throws Error when the model cannot be opened, or when the
// precision's type is not known.
std::string weight_report(const Selection& choice);

}  // namespace gpt2run
