// What drawn tokens are held against: chi-square, and the softmax of the kept tokens in long double.
#pragma once
#include <map>
#include <random>

#include "gpt2run/sdk/select.hpp"

namespace gpt2run::test {

// Probability that chi-square with `degrees` of freedom exceeds x: the regularised upper incomplete gamma function, by
// its series or its continued fraction (Abramowitz and Stegun 6.5.29, 6.5.31).
inline double chi_square_tail(double x, double degrees) {
  const double a = degrees / 2, z = x / 2, front = std::exp(a * std::log(z) - z - std::lgamma(a));
  if (z < a + 1) {
    double term = 1 / a, sum = term;
    for (double n = a + 1; term > sum * 1e-16; ++n) sum += term *= z / n;
    return 1 - sum * front;
  }
  double b = z + 1 - a, c = 1e300, d = 1 / b, fraction = d;
  for (int n = 1; n < 10000; ++n) {
    const double numerator = -n * (n - a);
    b += 2;
    d = 1 / (numerator * d + b);
    c = b + numerator / c;
    fraction *= c * d;
    if (std::abs(c * d - 1) < 1e-15) break;
  }
  return front * fraction;
}

// p-value of counts under probabilities; bins are pooled, in order, until 10 or more are expected in each.
inline double p_value(const std::vector<double>& probabilities, const std::vector<int>& counts) {
  double draws = 0, expected = 0, observed = 0, chi_square = 0;
  for (int count : counts) draws += count;
  int bins = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (probabilities[i] == 0 && counts[i] > 0) return 0;
    expected += probabilities[i] * draws;
    observed += counts[i];
    if (expected < 10) continue;
    chi_square += (observed - expected) * (observed - expected) / expected;
    expected = observed = 0;
    ++bins;
  }
  return bins < 2 ? 1 : chi_square_tail(chi_square, bins - 1);
}

// Softmax of the kept tokens in long double: sorted, cut by k, min-p and p of what is left.
inline std::vector<double> expected_distribution(const std::vector<float>& logits, const SelectSpec& spec) {
  std::multimap<float, size_t, std::greater<>> sorted;
  for (size_t id = 0; id < logits.size(); ++id) sorted.emplace(logits[id], id);
  std::vector<std::pair<size_t, long double>> kept;
  long double total = 0, sum = 0, nucleus = 0;
  for (const auto& [logit, id] : sorted) {
    if (spec.top_k > 0 && kept.size() == static_cast<size_t>(spec.top_k)) break;
    const long double mass = std::exp((static_cast<long double>(logit) - sorted.begin()->first) / spec.temperature);
    if (mass < spec.min_p) break;
    kept.emplace_back(id, mass);
    total += mass;
  }
  std::vector<double> probabilities(logits.size());
  size_t count = 0;
  while (count < kept.size() && (count == 0 || nucleus < spec.top_p * total)) nucleus += kept[count++].second;
  for (size_t i = 0; i < count; ++i) sum += kept[i].second;
  for (size_t i = 0; i < count; ++i) probabilities[kept[i].first] = static_cast<double>(kept[i].second / sum);
  return probabilities;
}

inline std::vector<float> normal_row(size_t vocab, float spread) {
  std::mt19937 bits(17);
  std::normal_distribution<float> normal(-30, spread);
  std::vector<float> row(vocab);
  for (float& logit : row) logit = normal(bits);
  return row;
}

}  // namespace gpt2run::test
