// Attention weights for taps (Op::attention_weights), computed again from queries and cached keys. The operation
// `attention` of a precision keeps no weights: it has a few rows at a time, in an order of its own.
#pragma once
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "gpt2run/precision.hpp"

namespace gpt2run {

// The keys of one head and slot, and the weights of a query with them. Everything is computed in double.
class AttentionHead {
 public:
  // keys: (positions, D)
  void set_keys(const float* keys, int positions, int D) {
    positions_ = positions, D_ = D;
    keys_.resize(size_t(positions) * D), scores_.resize(positions);
    for (int t = 0; t < positions; ++t)
      for (int d = 0; d < D; ++d) keys_[size_t(d) * positions + t] = keys[size_t(t) * D + d];
  }

  // weights (length) = softmax(q keys / divisor) over the first `length` positions; q: (D)
  void weights(const float* q, int length, double divisor, float* weights) {
    double* scores = scores_.data();
    std::fill_n(scores, length, 0.0);
    for (int d = 0; d < D_; ++d) {
      const double factor = q[d];
      const double* keys = &keys_[size_t(d) * positions_];
      for (int t = 0; t < length; ++t) scores[t] += factor * keys[t];
    }
    const double maximum = *std::max_element(scores, scores + length);
    double sum = 0;
    for (int t = 0; t < length; ++t) sum += scores[t] = std::exp((scores[t] - maximum) / divisor);
    for (int t = 0; t < length; ++t) weights[t] = static_cast<float>(scores[t] / sum);
  }

 private:
  int positions_ = 0, D_ = 0;
  std::vector<double> keys_, scores_;  // (D, positions), (positions)
};

// out (R, H * P) = what Op::attention_weights writes for these rows, where P, which is returned, is the largest of
// their positions + 1. Behind a row's own position there are zeros.
//   rows: (R), each with `slot` and `position`; those of a slot are consecutive.
//   q: (R, C) queries.
//   read_keys(slot, head, positions, keys): fills keys (positions, D) with the first keys of the slot's cache.
template <class Row, class ReadKeys>
int attention_weights(const ModelConfig& m, int layer, std::span<const Row> rows, const float* q,
                      const ReadKeys& read_keys, std::vector<float>& out) {
  const int H = m.H, D = m.C / H;
  const double divisor = std::sqrt(double(D)) * (m.scale_by_layer ? layer + 1 : 1);
  int P = 0;
  for (const Row& row : rows) P = std::max<int>(P, row.position + 1);
  out.assign(rows.size() * H * P, 0.0f);
  AttentionHead attention;
  std::vector<float> keys;
  for (size_t first = 0, end = 0; first < rows.size(); first = end) {
    while (end < rows.size() && rows[end].slot == rows[first].slot) ++end;
    const int positions = rows[end - 1].position + 1;
    keys.resize(size_t(positions) * D);
    for (int head = 0; head < H; ++head) {
      read_keys(rows[first].slot, head, positions, keys.data());
      attention.set_keys(keys.data(), positions, D);
      for (size_t r = first; r < end; ++r)
        attention.weights(q + r * m.C + size_t(head) * D, rows[r].position + 1, divisor, &out[(r * H + head) * P]);
    }
  }
  return P;
}

}  // namespace gpt2run
