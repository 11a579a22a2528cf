// The parser of model names such as synthetic:124M,seed=7 and synthetic:L=4,C=64,H=2,F=200,V=1000,T=128,outliers=1. A
// size of GPT-2 (124M, 355M, 774M, 1558M) may come first, followed by settings, separated by commas. A setting
// overrides the size.
#pragma once
#include <cstdint>
#include <string_view>

#include "gpt2run/loader.hpp"

namespace gpt2run::synthetic {

inline constexpr std::string_view kPrefix = "synthetic:";

// A synthetic model.
struct Spec {
  ModelConfig model;
  uint64_t seed;
  double deviation;  // standard deviation of the weights; that of proj_w and down_w is divided by sqrt(2L)
  bool outliers, tied;
};

// The defaults are those of 124M, except F = 4C and end_of_text = V - 1. Throws Error naming the setting.
Spec parse_spec(std::string_view text);

}  // namespace gpt2run::synthetic
