// The CUDA samplers in one program, for the run under ThreadSanitizer. Each one's source exports the
// same name, which race_samplers.cpp gives a new one.
#pragma once
#include <span>

#include "gpt2run/plugin.hpp"

namespace gpt2run::test {

// Every sampler's descriptor.
std::span<const Plugin* const> cuda_samplers();

}  // namespace gpt2run::test
