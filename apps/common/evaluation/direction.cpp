// The share of changes for the better, and its interval.
#include "common/evaluation/direction.hpp"

#include <algorithm>
#include <cmath>

#include "gpt2run/evaluation/statistics.hpp"

namespace gpt2run {
namespace {

constexpr double kTwoSided95 = 1.959963984540054;  // of the normal distribution

double effective_count(const std::vector<double>& better, const std::vector<double>& changed, double share) {
  const double rate = mean_of(changed), count = rate * static_cast<double>(changed.size());
  std::vector<double> rests(better.size());
  for (size_t i = 0; i < rests.size(); ++i) rests[i] = (better[i] - share * changed[i]) / rate;
  const double error = batch_standard_error_of(rests), variance = share * (1 - share);
  return variance > 0 && error > 0 ? std::min(count, variance / (error * error)) : count;
}

}  // namespace

Direction direction_of(const TokenMetrics& series) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double>&same = series[Metric::top1_agreement], &gains = series[Metric::logprob_difference];
  Direction found{0, 0, 0, kNone, kNone, kNone};
  std::vector<double> better(series.size()), changed(series.size());
  for (size_t i = 0; i < series.size(); ++i) {
    if (same[i] == 1) continue;
    ++found.changed, changed[i] = 1;
    if (gains[i] > 0) ++found.better, better[i] = 1;
    if (gains[i] < 0) ++found.worse;
  }
  if (found.changed == 0) return found;
  const double share = static_cast<double>(found.better) / static_cast<double>(found.changed);
  const double m = effective_count(better, changed, share), z = kTwoSided95, grown = 1 + z * z / m;
  const double centre = (share + z * z / (2 * m)) / grown;
  const double half = z * std::sqrt(share * (1 - share) / m + z * z / (4 * m * m)) / grown;
  found.share = share, found.low = std::max(0.0, centre - half), found.high = std::min(1.0, centre + half);
  return found;
}

}  // namespace gpt2run
