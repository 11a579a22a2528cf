// The checks of a sampler, in several files, and their common helpers.
#pragma once
#include <string>
#include <vector>

#include "conformance/precision_run.hpp"
#include "conformance/sampler_rig.hpp"

namespace gpt2run::conformance {

// Logits without ties, (kVocab), different for each row number.
std::vector<float> logits_of(int row);

// A batch of kRows rows, in which each request samples its first token.
std::vector<SamplerRow> some_rows();

// Whether results are equal, where NaN equals NaN.
bool is_same(const SamplerResult&, const SamplerResult&);
// Throws Error unless they are.
void require_same(const SamplerResult& found, const SamplerResult& expected, const std::string& where);

// Checks Sampler::configure(). memory: a precision in the sampler's memory space.
void check_configure(Report&, const Plugin&, const Opened& memory);

}  // namespace gpt2run::conformance
