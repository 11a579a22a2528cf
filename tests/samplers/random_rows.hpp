// Rows of logits and specs of selection that reach the corners.
#pragma once
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gpt2run/sdk/select.hpp"

namespace gpt2run::test {

// Rows with few and many ties, dropped tokens, wide and narrow spreads.
inline std::vector<float> random_row(std::mt19937& bits, size_t vocab) {
  std::vector<float> row(vocab);
  const float spreads[] = {0, 1e-3f, 1, 4, 30, 1e4f}, offsets[] = {0, -200, 1e4f, -1e4f};
  std::normal_distribution<float> normal(offsets[bits() % 4], spreads[bits() % 6] + 1e-30f);
  const uint32_t kind = bits() % 5;
  for (float& logit : row) {
    logit = normal(bits);
    if (kind == 1) logit = std::round(logit);
    if (kind == 2) logit = static_cast<float>(bits() % 3);
    if (kind == 3 && bits() % 3) logit = -INFINITY;
    if (kind == 4) logit = bits() % 2 ? 0.0f : -0.0f;
  }
  if (bits() % 8 == 0) std::sort(row.begin(), row.end());
  return row;
}

inline SelectSpec random_spec(std::mt19937& bits, int32_t vocab) {
  const double temperatures[] = {1, 1, 0.7, 0.1, 2, 50, 1e-300, 1e300, 0};
  const int32_t top_ks[] = {0, 0, 1, 2, 10, 40, 200, vocab / 2, vocab - 1, vocab, vocab + 5, kMaxVocab};
  const double min_ps[] = {0, 0, 0, 1e-6, 0.05, 0.5, 1}, top_ps[] = {1, 0.8, 0.9, 0.5, 1e-20, 0.999999, 1 - 0x1p-53};
  return {temperatures[bits() % 9], top_ks[bits() % 12], min_ps[bits() % 7], top_ps[bits() % 7]};
}

}  // namespace gpt2run::test
