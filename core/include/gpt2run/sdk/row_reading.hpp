// What one row of logits says: its most likely tokens, and how likely a given one is.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "gpt2run/sdk/log_softmax.hpp"

namespace gpt2run {

struct RowToken {
  int32_t id;
  float logprob;  // natural logarithm of its probability
};

struct RowReading {
  std::vector<RowToken> top;  // the most likely first, equal ones by id
  float logprob;              // of the given token
  int32_t rank;               // of the given token: 1 for the most likely one; of equal ones the lower id comes first
};

namespace detail {

// Sums by loops that compilers vectorise: a lens reads every layer at every position, so that its time is that of the
// head's product only if this is fast.
inline constexpr size_t kLanes = 64;   // sums that run side by side
inline constexpr size_t kPart = 1024;  // terms of these sums before they go into one in double

// exp(x) for x <= 0 and -infinity, with a relative error of about 2^-23; 0 below -87. As exp_nonpositive() of
// sdk/select.hpp, in 32 bits: x = k ln 2 + r, and a Horner chain of fused multiply-adds for exp(r).
[[gnu::always_inline]] inline float short_exp(float x) {
  constexpr float log2_e = 0x1.715476p+0f, ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  constexpr float to_integer = 0x1.8p+23f;  // adding it leaves the rounded integer in the low bits
  const float bounded = x < -87.0f ? -87.0f : x;
  const float shifted = std::fma(bounded, log2_e, to_integer);
  const float k = shifted - to_integer;
  const float r = std::fma(-k, ln2_low, std::fma(-k, ln2_high, bounded));
  float sum = 1.0f / 720;
  sum = std::fma(sum, r, 1.0f / 120);
  sum = std::fma(sum, r, 1.0f / 24);
  sum = std::fma(sum, r, 1.0f / 6);
  sum = std::fma(sum, r, 0.5f);
  sum = std::fma(sum, r, 1.0f);
  sum = std::fma(sum, r, 1.0f);
  const uint32_t power = (std::bit_cast<uint32_t>(shifted) + 127) << 23 & (uint32_t{x < -87.0f} - 1);
  return sum * std::bit_cast<float>(power);
}

// The sum of exp(logit - greatest).
[[gnu::always_inline]] inline double sum_loop(std::span<const float> logits, float greatest) {
  double sum = 0;
  for (size_t part = 0; part < logits.size(); part += kPart) {
    float sums[kLanes] = {};
    const size_t end = std::min(logits.size(), part + kPart);
    size_t begin = part;
    for (; begin + kLanes <= end; begin += kLanes)
      for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += short_exp(logits[begin + lane] - greatest);
    for (size_t lane = 0; begin < end; ++lane, ++begin) sums[lane] += short_exp(logits[begin] - greatest);
    for (const float lane : sums) sum += lane;
  }
  return sum;
}

[[gnu::always_inline]] inline int32_t rank_loop(std::span<const float> logits, size_t given) {
  const float logit = logits[given];
  int32_t before = 0;
  for (size_t id = 0; id < given; ++id) before += logits[id] >= logit;
  for (size_t id = given + 1; id < logits.size(); ++id) before += logits[id] > logit;
  return before + 1;
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] inline double sum_avx2(std::span<const float> logits, float greatest) {
  return sum_loop(logits, greatest);
}
[[gnu::target("avx2,fma")]] inline int32_t rank_avx2(std::span<const float> logits, size_t given) {
  return rank_loop(logits, given);
}
inline double exponentials(std::span<const float> logits, float greatest) {
  return has_avx2() ? sum_avx2(logits, greatest) : sum_loop(logits, greatest);
}
inline int32_t rank_among(std::span<const float> logits, size_t given) {
  return has_avx2() ? rank_avx2(logits, given) : rank_loop(logits, given);
}
#else
inline double exponentials(std::span<const float> logits, float greatest) { return sum_loop(logits, greatest); }
inline int32_t rank_among(std::span<const float> logits, size_t given) { return rank_loop(logits, given); }
#endif

}  // namespace detail

// Reads a row of logits in three passes over it. count: of the tokens in `top`, at least 1; all if the row has fewer.
// given: the token that is asked for; below 0 it is the most likely one. Log-probabilities are those of
// sdk/log_softmax.hpp within 1e-6 of their size, or 1e-6; sums are in a fixed order, so that the bits are the same
// everywhere. Of a row with a NaN or +infinity nothing can be said: `top` is empty, `logprob` NaN and `rank` 0.
inline RowReading read_row(std::span<const float> logits, int count, int32_t given) {
  const std::vector<int32_t> ids = most_likely(logits, count);
  // A NaN or +infinity comes first in the order.
  if (ids.empty() || !is_usable(order_key(logits[ids[0]]))) return {{}, std::numeric_limits<float>::quiet_NaN(), 0};
  const float greatest = logits[ids[0]];
  const double log_sum = greatest + std::log(detail::exponentials(logits, greatest));
  const int32_t token = given < 0 ? ids[0] : given;
  RowReading reading{
      {}, static_cast<float>(logits[token] - log_sum), given < 0 ? 1 : detail::rank_among(logits, token)};
  for (const int32_t id : ids) reading.top.push_back({id, static_cast<float>(logits[id] - log_sum)});
  return reading;
}

}  // namespace gpt2run
