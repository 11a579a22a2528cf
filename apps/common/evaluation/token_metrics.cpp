// Means, percentiles, buckets and histograms over the targets of one test.
#include "common/evaluation/token_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "gpt2run/evaluation/statistics.hpp"

namespace gpt2run {
namespace {

std::vector<Bucket> buckets_of(const TokenMetrics& series,
                               const std::function<std::pair<double, double>(size_t)>& range) {
  std::map<double, Bucket> found;
  for (size_t i = 0; i < series.size(); ++i) {
    const auto [from, to] = range(i);
    Bucket& bucket = found.try_emplace(from, Bucket{from, to, 0, {}}).first->second;
    ++bucket.count;
    for (int m = 0; m < kMetrics; ++m) bucket.means[m] += series.values[m][i];
  }
  std::vector<Bucket> buckets;
  for (auto& [from, bucket] : found) {
    for (double& sum : bucket.means) sum /= static_cast<double>(bucket.count);
    buckets.push_back(bucket);
  }
  return buckets;
}

}  // namespace

void TokenMetrics::add(const TargetPosition& place, const RowDivergence& row) {
  positions.push_back(place);
  entropies.push_back(row.entropy);
  for (int m = 0; m < kMetrics; ++m) values[m].push_back(row.values[m]);
  if (row.ref_token == row.test_token) return;
  flips.push_back({place, row.margin, row.margin_probability, row.ref_token, row.test_token});
}

double mean_deviation(const TokenMetrics& series, Metric metric, size_t count) {
  double sum = 0;
  const size_t end = std::min(count, series.size());
  for (size_t i = 0; i < end; ++i) sum += deviation(series[metric][i], spec_of(metric).equal);
  return sum / static_cast<double>(end);
}

Distribution distribution_of(const std::vector<double>& values, double equal) {
  const std::vector<double> ascending = sorted(values);
  Distribution result{mean_of(values), standard_error_of(values), batch_standard_error_of(values), {}, values[0], 0};
  for (size_t i = 0; i < std::size(kPercentiles); ++i)
    result.percentiles[i] = quantile_of(ascending, kPercentiles[i] / 100);
  for (size_t i = 0; i < values.size(); ++i)
    if (deviation(values[i], equal) > deviation(result.extreme, equal))
      result.extreme = values[i], result.extreme_index = i;
  return result;
}

std::vector<Bucket> by_position(const TokenMetrics& series) {
  constexpr int kLeast = 16, kMost = 16;  // the least width of a bucket in rows, and the most buckets
  int32_t last = 0;
  for (const TargetPosition& place : series.positions) last = std::max(last, place.row);
  int32_t width = kLeast;
  while (last / width >= kMost) width *= 2;
  return buckets_of(series, [&](size_t i) {
    const int32_t from = series.positions[i].row / width * width;
    return std::pair<double, double>(from, from + width);
  });
}

std::vector<Bucket> by_entropy(const TokenMetrics& series) {
  return buckets_of(series, [&](size_t i) {
    const double entropy = series.entropies[i];
    if (entropy < 1) return entropy < 0.5 ? std::pair(0., 0.5) : std::pair(0.5, 1.);
    return std::pair(std::floor(entropy), std::floor(entropy) + 1);
  });
}

Histogram histogram_of(const TokenMetrics& series, Metric metric) {
  constexpr int kPerDecade = 4, kFirst = -20 * kPerDecade, kLast = 4 * kPerDecade;
  const auto edge = [](int i) { return std::pow(10., double(i) / kPerDecade); };
  std::map<int, int64_t> bins;
  Histogram histogram{{}, {}, 0, 0};
  for (const double value : series[metric]) {
    if (!(value >= edge(kFirst))) {
      ++histogram.below;
    } else if (value >= edge(kLast)) {
      ++histogram.above;
    } else {
      int bin = static_cast<int>(std::floor(std::log10(value) * kPerDecade));
      while (value < edge(bin)) --bin;
      while (value >= edge(bin + 1)) ++bin;
      ++bins[bin];
    }
  }
  if (bins.empty()) return histogram;
  for (int bin = bins.begin()->first; bin <= bins.rbegin()->first; ++bin) {
    histogram.edges.push_back(edge(bin));
    histogram.counts.push_back(bins[bin]);
  }
  histogram.edges.push_back(edge(bins.rbegin()->first + 1));
  return histogram;
}

}  // namespace gpt2run
