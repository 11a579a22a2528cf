// What the samplers compute for one logit, or with the sums of a row, on the host and on CUDA alike. Sums are integers,
// so that their order does not matter, and everything else is a fixed sequence of IEEE operations: both give the same
// bits. docs/numerics.md has the formulas.
#pragma once
#include "gpt2run/sdk/select.hpp"

namespace gpt2run {

// A logit that is dropped. NaN and +infinity stay, so that the selector reports the row.
GPT2RUN_HD inline float dropped(float logit) {
  return order_key(logit) < kPlusInfinityKey ? logit_of(kMinusInfinityKey) : logit;
}

// A logit with a bias added to it; -infinity drops the token.
GPT2RUN_HD inline float biased(float logit, float bias) {
  return order_key(bias) == kMinusInfinityKey ? dropped(logit) : logit + bias;
}

// Penalties for tokens by how often they have occurred.
struct OccurrenceSpec {
  double every_time, once;  // frequency: for each occurrence; presence: once for all of them
  int32_t last_n;           // tokens to look back; 0 for all
  bool prompt;              // whether the tokens of the prompt count
};

// The first position of the history that counts. prompt: tokens of the prompt.
GPT2RUN_HD inline int32_t first_counted(const OccurrenceSpec& spec, int32_t prompt, int32_t position) {
  int32_t first = spec.prompt || prompt < 0 ? 0 : prompt;
  if (spec.last_n > 0 && position - first > spec.last_n) first = position - spec.last_n;
  return first;
}

// logit - (count * every_time + once), with the bracket in double and rounded to FP32 once. count: at least 1.
GPT2RUN_HD inline float less_by_occurrences(float logit, int32_t count, const OccurrenceSpec& spec) {
  return logit - static_cast<float>(std::fma(static_cast<double>(count), spec.every_time, spec.once));
}

// Whether the `before` tokens that precede position i are the last `before` tokens of the history, (position).
GPT2RUN_HD inline bool follows_the_same(const int32_t* history, int32_t position, int32_t i, int32_t before) {
  for (int32_t back = 1; back <= before; ++back)
    if (history[i - back] != history[position - back]) return false;
  return true;
}

// Locally typical sampling (Meister et al. 2022).
struct TypicalSpec {
  double temperature;
  uint64_t typical_p;  // from fixed_top_p()
};

// How far below the most likely token a token is, in nats. Its surprise is this plus a number that all tokens of the
// row share, and so the entropy is the mean distance plus that number.
GPT2RUN_HD inline double distance_of(float logit, float max, double temperature) {
  return (static_cast<double>(max) - static_cast<double>(logit)) / temperature;
}

// A token's part of the sum of mass * distance, rounded down; at most 2^46, so that sums stay below 2^64. The distance
// may be infinite where the mass is 0.
GPT2RUN_HD inline uint64_t weighted_distance(uint64_t mass, double distance) {
  return mass == 0 ? 0 : static_cast<uint64_t>(static_cast<double>(mass) * distance);
}

// The order key of a token by how typical it is: a larger key is a surprise nearer to the entropy. sum: of
// weighted_distance() over the row. total: of the masses.
GPT2RUN_HD inline double mean_distance(uint64_t sum, uint64_t total) {
  return static_cast<double>(sum) / static_cast<double>(total);
}
GPT2RUN_HD inline uint32_t typical_key(double distance, double mean) {
  constexpr double most = 0x1p+100;  // what is farther away counts as this
  const double deviation = distance < mean ? mean - distance : distance - mean;
  return order_key(static_cast<float>(deviation < most ? -deviation : -most));
}

// The mass that the kept tokens, the most typical first, must reach.
GPT2RUN_HD inline uint64_t typical_target(const TypicalSpec& spec, uint64_t total) {
  const uint64_t target = top_p_target(spec.typical_p, total);
  return target > 0 ? target : 1;
}

// Mirostat 2.0 (Basu et al. 2021): the bound mu on the surprise of a token follows the surprise that was observed, so
// that its mean becomes tau. Surprises are in units of 2^-32 bits.
struct MirostatSpec {
  double temperature, eta;
  int64_t tau, mu;  // mu: at the beginning of a text
};

// log2(value), rounded down to units of 2^-32 but for an error of less than one unit. value: above 0.
GPT2RUN_HD inline int64_t log2_fixed(uint64_t value) {
  int64_t exponent = 63;
  while (!(value >> 63)) value <<= 1, --exponent;
  int64_t log = exponent << 32;
  for (int bit = 31; bit >= 0; --bit) {
    value = mulhi(value, value);  // [2^63, 2^64) stands for [1, 2); the square for [1, 4), a binary digit lower
    if (value >> 63)
      log |= int64_t{1} << bit;
    else
      value <<= 1;
  }
  return log;
}

// The least mass of a token whose surprise is within the bound mu. total: the sum of the masses.
GPT2RUN_HD inline uint64_t mass_within(int64_t mu, uint64_t total) {
  if (mu < 0) return ~uint64_t{0};
  constexpr double nats_per_unit = 0x1.62e42fefa39efp-1 * 0x1p-32;
  return top_p_target(fixed_top_p(exp_nonpositive(static_cast<double>(mu) * -nats_per_unit)), total);
}

// The next bound, after a token of mass `mass` was drawn from tokens of mass `kept` together. It stays within 2^52.
GPT2RUN_HD inline int64_t next_mu(int64_t mu, const MirostatSpec& spec, uint64_t kept, uint64_t mass) {
  constexpr int64_t most = int64_t{1} << 52;
  const int64_t error = log2_fixed(kept) - log2_fixed(mass) - spec.tau;
  const int64_t next = mu - static_cast<int64_t>(spec.eta * static_cast<double>(error));
  return next > most ? most : next < -most ? -most : next;
}

}  // namespace gpt2run
