// The options of each sampler, declared once for its host and its CUDA form, and their conversion for the selection.
#pragma once
#include "gpt2run/sdk/select.hpp"

namespace gpt2run {

inline constexpr OptionSpec kMinPOptions[] = {
    {"min_p", "real", "0.05", "[0, 1]", "least probability of a token, relative to the most likely one; 0 is all"},
    {"temp", "real", "1", "[0, inf)", "temperature at which probabilities are compared; the logits keep their own"},
};

struct MinPSpec {
  double min_p, temperature;
};

// Throws Error for values that are in range but that the selection refuses.
inline MinPSpec min_p_spec(const Options& options) {
  const MinPSpec spec = {options.real("min_p"), options.real("temp")};
  check(SelectSpec{.temperature = spec.temperature, .min_p = spec.min_p});
  return spec;
}

inline constexpr OptionSpec kNucleusOptions[] = {
    {"temp", "real", "1", "[0, inf)", "temperature that divides the logits; 0 is argmax"},
    {"top_k", "int", "10", "[0, 262143]", "most likely tokens to choose from; 0 is all"},
    {"top_p", "real", "0.8", "(0, 1]", "probability, within top_k, of the tokens to choose from; 1 is all"},
    {"min_p", "real", "0", "[0, 1]", "least probability of a token, relative to the most likely one; 0 is all"},
};

inline SelectSpec nucleus_spec(const Options& options) {
  return {.temperature = options.real("temp"),
          .top_k = static_cast<int32_t>(options.integer("top_k")),
          .min_p = options.real("min_p"),
          .top_p = options.real("top_p")};
}

inline constexpr OptionSpec kRepetitionPenaltyOptions[] = {
    // The range is narrow enough to keep a model's logits finite.
    {"penalty", "real", "1.2", "[0.01, 100]", "divides logits above 0 and multiplies the others; 1 changes nothing"},
    {"last_n", "int", "0", "[0, 2147483647]", "tokens to look back; 0 is the whole text"},
};

struct PenaltySpec {
  float penalty;
  int32_t last_n;  // 0 for the whole text
};

inline PenaltySpec penalty_spec(const Options& options) {
  return {static_cast<float>(options.real("penalty")), static_cast<int32_t>(options.integer("last_n"))};
}

inline constexpr OptionSpec kTopKOptions[] = {
    {"top_k", "int", "10", "[0, 262143]", "most likely tokens that stay; 0 is all"},
};

inline int32_t top_k_of(const Options& options) { return static_cast<int32_t>(options.integer("top_k")); }

}  // namespace gpt2run
