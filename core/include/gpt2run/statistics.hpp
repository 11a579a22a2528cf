// Numbers about many numbers, in double, added up in the order given. NaN in gives NaN out.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace gpt2run {

// NaN of nothing.
inline double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Of a sample: n - 1 under the root; NaN of fewer than two.
inline double standard_deviation_of(std::span<const double> values) {
  if (values.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  const double mean = mean_of(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

// Of the mean, if the values were drawn independently.
inline double standard_error_of(std::span<const double> values) {
  return standard_deviation_of(values) / std::sqrt(static_cast<double>(values.size()));
}

// Ascending; NaN anywhere makes all of them NaN, so that no rank hides it.
inline std::vector<double> sorted(std::span<const double> values) {
  std::vector<double> all(values.begin(), values.end());
  const bool broken = std::any_of(all.begin(), all.end(), [](double value) { return std::isnan(value); });
  if (broken) std::fill(all.begin(), all.end(), std::numeric_limits<double>::quiet_NaN());
  if (!broken) std::sort(all.begin(), all.end());
  return all;
}

// share in [0, 1] of values that sorted() gave, linear between neighbours (numpy's default); NaN of nothing.
inline double quantile_of(std::span<const double> ascending, double share) {
  if (ascending.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double at = share * static_cast<double>(ascending.size() - 1);
  const auto low = static_cast<size_t>(at), high = std::min(low + 1, ascending.size() - 1);
  const double part = at - static_cast<double>(low);
  if (part == 0 || ascending[low] == ascending[high]) return ascending[low];  // infinite ones have no difference
  return ascending[low] + part * (ascending[high] - ascending[low]);
}

}  // namespace gpt2run
