// NucleusView: what the sampler nucleus makes of a row of logits: the probability of each token at the temperature,
// which tokens are cut and by which option, and the chance of those that are left. It calls the functions of the
// sampler.
#pragma once
#include <span>
#include <vector>

#include "gpt2run/sdk/select.hpp"

namespace gpt2run {

// The options of the sampler in the order in which they cut tokens.
enum class Cut : uint8_t { none, temperature, top_k, min_p, top_p };

constexpr const char* name_of(Cut cut) {
  constexpr const char* names[] = {"", "temperature", "top_k", "min_p", "top_p"};
  return names[static_cast<size_t>(cut)];
}

struct NucleusView {
  // Throws Error for a spec out of range and for a row that cannot be sampled.
  NucleusView(std::span<const float> logits, const SelectSpec& spec);

  std::vector<double> scaled;   // (V) probabilities at the temperature
  std::vector<double> chance;   // (V) with which each token is drawn
  std::vector<Cut> cut;         // (V)
  int64_t kept = 0;             // tokens that may be drawn
  double kept_probability = 0;  // their sum of `scaled`
};

}  // namespace gpt2run
