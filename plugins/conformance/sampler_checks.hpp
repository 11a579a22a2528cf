// The parts of the checks of a sampler, and what they share.
#pragma once
#include <string>
#include <vector>

#include "conformance/precision_run.hpp"
#include "conformance/sampler_rig.hpp"

namespace gpt2run::conformance {

// (kVocab) logits without ties, different for every row number.
std::vector<float> logits_of(int row);

// A batch of kRows rows, each the first choice of its request.
std::vector<SamplerRow> some_rows();

// Bit for bit, but that one NaN is as good as another.
bool is_same(const SamplerResult&, const SamplerResult&);
void require_same(const SamplerResult& found, const SamplerResult& expected, const std::string& where);

// Sampler::configure. memory: of the sampler's space.
void check_configure(Report&, const Plugin&, const Opened& memory);

}  // namespace gpt2run::conformance
