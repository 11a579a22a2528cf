// What `synthetic:...` says: a size of GPT-2 (124M, 355M, 774M, 1558M) and settings, comma-separated, the later wins
// over the size: synthetic:124M,seed=7 or synthetic:L=4,C=64,H=2,F=200,V=1000,T=128,outliers=1.
#pragma once
#include <cstdint>
#include <string_view>

#include "gpt2run/loader.hpp"

namespace gpt2run::synthetic {

inline constexpr std::string_view kPrefix = "synthetic:";

struct Spec {
  ModelConfig model;
  uint64_t seed;
  double deviation;  // of the weights; what is added to the residual has 1 / sqrt(2L) of it
  bool outliers, tied;
};

// Settings that are not given are those of 124M, but F = 4C and end_of_text = V - 1. Throws Error naming the setting.
Spec parse_spec(std::string_view text);

}  // namespace gpt2run::synthetic
