// Statistics of series of doubles. Sums run in the order given, and a NaN in the input makes the result NaN.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace gpt2run {

// NaN for an empty series.
inline double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// The standard deviation of a sample, with n - 1 in the denominator. NaN for fewer than two values.
inline double standard_deviation_of(std::span<const double> values) {
  if (values.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  const double mean = mean_of(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

// The standard error of the mean, for values that were drawn independently.
inline double standard_error_of(std::span<const double> values) {
  return standard_deviation_of(values) / std::sqrt(static_cast<double>(values.size()));
}

// The standard error of the mean for a series whose values may depend on those just before them, as the tokens of a
// text do. It uses overlapping batch means (Meketon and Schmeiser 1984), which capture dependence up to the length of a
// batch. Batches have b = floor(sqrt(n)) values (Flegal and Jones 2010, "Batch means and spectral variance estimators
// in Markov chain Monte Carlo"). With m_j the mean of the batch that begins at j, the variance of the mean is
//   b / ((n - b) (n - b + 1)) sum_j (m_j - mean)^2
// With fewer than four values the result equals standard_error_of. The estimate has a relative standard deviation of
// about sqrt(b / 3 n).
inline double batch_standard_error_of(std::span<const double> values) {
  const size_t n = values.size();
  if (n < 2) return std::numeric_limits<double>::quiet_NaN();
  const auto b = static_cast<size_t>(std::sqrt(static_cast<double>(n)));
  const double mean = mean_of(values);
  double batch = 0, sum = 0;  // batch: the sum over one batch of the differences from the mean
  for (size_t i = 0; i < n; ++i) {
    batch += values[i] - mean;
    if (i >= b) batch -= values[i - b] - mean;
    if (i + 1 >= b) sum += batch * batch;
  }
  const auto count = static_cast<double>(n), size = static_cast<double>(b);
  return std::sqrt(sum / size / ((count - size) * (count - size + 1)));
}

// The values in ascending order. If any is NaN, all become NaN, so that every quantile shows it.
inline std::vector<double> sorted(std::span<const double> values) {
  std::vector<double> all(values.begin(), values.end());
  const bool broken = std::any_of(all.begin(), all.end(), [](double value) { return std::isnan(value); });
  if (broken) std::fill(all.begin(), all.end(), std::numeric_limits<double>::quiet_NaN());
  if (!broken) std::sort(all.begin(), all.end());
  return all;
}

// The quantile at `share` in [0, 1] of values from sorted(), interpolated linearly (numpy's default). NaN for an empty
// series.
inline double quantile_of(std::span<const double> ascending, double share) {
  if (ascending.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double at = share * static_cast<double>(ascending.size() - 1);
  const auto low = static_cast<size_t>(at), high = std::min(low + 1, ascending.size() - 1);
  const double part = at - static_cast<double>(low);
  if (part == 0 || ascending[low] == ascending[high]) return ascending[low];  // the difference of infinities is NaN
  return ascending[low] + part * (ascending[high] - ascending[low]);
}

}  // namespace gpt2run
