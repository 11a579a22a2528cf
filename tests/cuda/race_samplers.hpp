// All CUDA samplers in one program, for ThreadSanitizer. Their sources export the same name, which race_samplers.cpp
// replaces.
#pragma once
#include <span>

#include "gpt2run/plugin.hpp"

namespace gpt2run::test {

// The descriptors of all samplers.
std::span<const Plugin* const> cuda_samplers();

}  // namespace gpt2run::test
