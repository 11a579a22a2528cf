// The options of each sampler, declared once for its host and its CUDA form, and their conversion for the selection.
#pragma once
#include "gpt2run/sdk/select.hpp"
#include "row_arithmetic.hpp"
#include "token_list.hpp"

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

// Samplers frequency-penalty and presence-penalty.
inline constexpr OptionSpec kOccurrencePenaltyOptions[] = {
    // The range is narrow enough to keep a model's logits finite.
    {"penalty", "real", "0.5", "[-100, 100]",
     "subtracted from the logits of tokens that have been chosen; 0 is nothing"},
    {"last_n", "int", "0", "[0, 2147483647]", "tokens to look back; 0 is all"},
    {"prompt", "bool", "off", "", "also counts the tokens of the prompt"},
};

inline OccurrenceSpec occurrence_spec(const Options& options, bool every_time) {
  const double penalty = options.real("penalty");
  return {every_time ? penalty : 0, every_time ? 0 : penalty, static_cast<int32_t>(options.integer("last_n")),
          options.flag("prompt")};
}

inline constexpr OptionSpec kNoRepeatNgramOptions[] = {
    {"ngram", "int", "3", "[0, 1024]", "tokens of a run that may come once only, prompt included; 0 is off"},
};

inline int32_t ngram_of(const Options& options) { return static_cast<int32_t>(options.integer("ngram")); }

inline constexpr OptionSpec kLogitBiasOptions[] = {
    {"bias", "text", "none", "",
     "token ids, in gpt2run also texts of tokens, and what is added to their logits, as 11=2.5 \" king\"=-inf; -inf "
     "bans"},
};

inline std::vector<TokenBias> biases_of(const Options& options) {
  return parse_biases(options.text("bias"), "logit-bias.bias");
}

// Throws Error for an id that the vocabulary does not have. biases: by ascending id.
inline void check_ids(const std::vector<TokenBias>& biases, int32_t vocab) {
  if (!biases.empty() && biases.back().id >= vocab)
    fail("logit-bias.bias: expected token ids below ", vocab, ", found ", biases.back().id);
}

inline constexpr OptionSpec kMinTokensOptions[] = {
    {"min_tokens", "int", "1", "[0, 2147483647]", "new tokens before the text may end"},
    // The programs put the model's ends in place of this default.
    {"ends", "text", "50256", "", "token ids that end a text, or none; without it those of the model"},
};

// The most ids that `ends` may have.
inline constexpr int32_t kMostEndIds = 16;

struct MinTokensSpec {
  int32_t min_tokens, count;
  int32_t ends[kMostEndIds];  // (count)
};

// Throws Error for a text that is no list of ids.
inline MinTokensSpec min_tokens_spec(const Options& options) {
  MinTokensSpec spec = {static_cast<int32_t>(options.integer("min_tokens")), 0, {}};
  const std::vector<int32_t> ends = parse_ids(options.text("ends"), "min-tokens.ends");
  if (std::ssize(ends) > kMostEndIds)
    fail("min-tokens.ends: expected at most ", kMostEndIds, " token ids, found ", ends.size());
  for (const int32_t id : ends) spec.ends[spec.count++] = id;
  return spec;
}

inline constexpr OptionSpec kTypicalOptions[] = {
    {"typical_p", "real", "0.9", "(0, 1]", "probability of the most typical tokens, which stay; 1 is all"},
    {"temp", "real", "1", "[0, inf)", "temperature at which probabilities are compared; the logits keep their own"},
};

// Throws Error for values that are in range but that the selection refuses.
inline TypicalSpec typical_spec(const Options& options) {
  const SelectSpec checked = {.temperature = options.real("temp"), .top_p = options.real("typical_p")};
  check(checked);
  return {checked.temperature, fixed_top_p(checked.top_p)};
}

inline constexpr OptionSpec kMirostatOptions[] = {
    {"tau", "real", "5", "[0, 64]", "surprise to aim at, in bits per token"},
    {"eta", "real", "0.1", "[0, 1]", "share of the error by which the bound on the surprise is corrected"},
    {"temp", "real", "1", "[0, inf)", "temperature that divides the logits; 0 is argmax"},
};

// Throws Error for values that are in range but that the selection refuses.
inline MirostatSpec mirostat_spec(const Options& options) {
  const double temperature = options.real("temp"), tau = options.real("tau"), eta = options.real("eta");
  check(SelectSpec{.temperature = temperature});
  if (!(tau >= 0 && tau <= 64)) fail("mirostat.tau: expected a number in [0, 64], found ", tau);
  if (!(eta >= 0 && eta <= 1)) fail("mirostat.eta: expected a number in [0, 1], found ", eta);
  const auto bits = static_cast<int64_t>(tau * 0x1p+32);
  return {temperature, eta, bits, 2 * bits};
}

inline constexpr OptionSpec kTopKOptions[] = {
    {"top_k", "int", "10", "[0, 262143]", "most likely tokens that stay; 0 is all"},
};

inline int32_t top_k_of(const Options& options) { return static_cast<int32_t>(options.integer("top_k")); }

}  // namespace gpt2run
