// The options of gpt2compare.
#pragma once
#include <span>

#include "common/pipeline/compose.hpp"

namespace gpt2run {

// All options of the program.
std::span<const CoreOption> compare_options();

}  // namespace gpt2run
