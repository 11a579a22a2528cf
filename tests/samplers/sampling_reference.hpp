// The definition of nucleus sampling as plain loops over a sorted row, to hold the fast selection against. Shares with
// it only the mass of one token and the random bits, which have tests of their own.
#pragma once
#include <cmath>
#include <numeric>
#include <vector>

#include "gpt2run/sdk/select.hpp"

namespace gpt2run::test {

struct Kept {
  int32_t id;
  uint64_t mass;
};

// The tokens that the spec keeps, most likely first; empty where nothing can be sampled. temperature > 0.
inline std::vector<Kept> kept_tokens(const std::vector<float>& logits, const SelectSpec& spec) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  for (float logit : logits) {
    if (std::isnan(logit) || logit == INFINITY) return {};
  }
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  const float max = logits[order[0]];
  if (max == -INFINITY) return {};
  if (spec.top_k > 0 && static_cast<size_t>(spec.top_k) < order.size()) order.resize(spec.top_k);

  std::vector<Kept> tokens;
  unsigned __int128 total = 0;
  for (int32_t id : order) {
    const uint64_t mass = mass_of(logits[id], max, spec.temperature);
    if (mass < static_cast<uint64_t>(std::llrint(std::ldexp(spec.min_p, 46)))) continue;
    tokens.push_back({id, mass});
    total += mass;
  }
  if (spec.top_p == 1) return tokens;

  const auto p = static_cast<unsigned __int128>(std::ldexp(static_cast<long double>(spec.top_p), 64));
  const unsigned __int128 target = p * total >> 64;
  unsigned __int128 sum = 0;
  size_t count = 0;
  do {
    sum += tokens[count++].mass;
  } while (sum < target);
  tokens.resize(count);
  return tokens;
}

inline int32_t sample_reference(const std::vector<float>& logits, const SelectSpec& spec, uint64_t seed,
                                uint64_t sequence, int32_t position) {
  SelectSpec warm = spec;
  if (spec.temperature == 0) warm = {.temperature = 1, .top_k = 1};
  std::vector<Kept> tokens = kept_tokens(logits, warm);
  if (tokens.empty()) return kNone;
  std::sort(tokens.begin(), tokens.end(), [](const Kept& a, const Kept& b) { return a.id < b.id; });
  unsigned __int128 total = 0;
  for (const Kept& token : tokens) total += token.mass;
  const unsigned __int128 point = random_bits(seed, sequence, position) * total >> 64;
  unsigned __int128 sum = 0;
  for (const Kept& token : tokens) {
    sum += token.mass;
    if (sum > point) return token.id;
  }
  return kNone;
}

}  // namespace gpt2run::test
