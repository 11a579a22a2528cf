// Per-token metrics of a comparison, and the statistics that reports make of them. A few numbers are kept for each
// target.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "gpt2run/evaluation/divergence.hpp"

namespace gpt2run {

// The position of a target. text: the index of the text. position: that of the token in the text. row: that of its row
// of logits in the window, so the model saw row + 1 tokens before it.
struct TargetPosition {
  int32_t text, position, row;
};

// A target at which the test's most likely token is not that of the reference.
struct TopTokenFlip {
  TargetPosition place;
  double margin, margin_probability;  // between the reference's two most likely tokens, in logits and probability
  int32_t ref_token, test_token;
};

// The metrics of one test against the reference, for every target.
struct TokenMetrics {
  std::string name;  // the test's instance
  std::vector<TargetPosition> positions;
  std::vector<double> entropies;                     // of the reference's distribution, in nats
  std::array<std::vector<double>, kMetrics> values;  // indexed by Metric
  std::vector<TopTokenFlip> flips;

  void add(const TargetPosition& place, const RowDivergence& row);
  size_t size() const { return positions.size(); }
  const std::vector<double>& operator[](Metric metric) const { return values[static_cast<size_t>(metric)]; }
};

// The distance of a metric's value from `equal`, its value for two equal rows.
inline double deviation(double value, double equal) { return value > equal ? value - equal : equal - value; }

// The mean deviation over the first `count` targets; NaN if there are none.
double mean_deviation(const TokenMetrics& series, Metric metric, size_t count);

inline constexpr std::array<double, 9> kPercentiles = {0.1, 1, 5, 25, 50, 75, 95, 99, 99.9};

// The distribution of one metric over all targets. standard_error: that of the mean, as if the targets were
// independent. batch_standard_error: the same by batch means, which allows for correlation between neighbouring tokens.
// Both are NaN for fewer than two targets. Percentiles are interpolated linearly.
struct Distribution {
  double mean, standard_error, batch_standard_error;
  std::array<double, std::size(kPercentiles)> percentiles;
  double extreme;        // the value with the largest deviation, the first of several
  size_t extreme_index;  // the index of its target
  double median() const { return percentiles[4]; }
};

// values: at least one. equal: the metric's value for two equal rows.
Distribution distribution_of(const std::vector<double>& values, double equal);
inline Distribution distribution_of(const TokenMetrics& series, Metric metric) {
  return distribution_of(series[metric], spec_of(metric).equal);
}

// Mean metrics of the targets with from <= x < to, where x is the row or the entropy.
struct Bucket {
  double from, to;
  int64_t count;
  std::array<double, kMetrics> means;  // indexed by Metric
};

// Buckets by TargetPosition::row. They are equally wide, at most 16, and none is empty.
std::vector<Bucket> by_position(const TokenMetrics& series);
// Buckets by the entropy of the reference: [0, 0.5), [0.5, 1), then one nat each. None is empty.
std::vector<Bucket> by_entropy(const TokenMetrics& series);

// A logarithmic histogram with four bins per decade, from the first occupied bin to the last. counts[i]: how many
// values are in [edges[i], edges[i + 1]). below: those under 1e-20, such as a difference of exactly 0. above: those of
// 1e4 and more, such as an infinite one.
struct Histogram {
  std::vector<double> edges;
  std::vector<int64_t> counts;
  int64_t below, above;
};
Histogram histogram_of(const TokenMetrics& series, Metric metric);

}  // namespace gpt2run
