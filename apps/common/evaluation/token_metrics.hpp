// What a comparison keeps of every target, a few numbers each, and what is made of them at the end.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "gpt2run/evaluation/divergence.hpp"

namespace gpt2run {

// Where a target stands. text: index of the text; position: in the text; row: how many tokens before it the model saw,
// less one.
struct TargetPosition {
  int32_t text, position, row;
};

// A most likely token that the test has not in common with the reference.
struct Flip {
  TargetPosition place;
  double margin, margin_probability;  // the reference's, between its best and its second
  int32_t ref_token, test_token;
};

// One test against the reference, target by target.
struct TokenMetrics {
  std::string name;  // of the test's instance
  std::vector<TargetPosition> positions;
  std::vector<double> entropies;  // the reference's, nats
  std::array<std::vector<double>, kMetrics> values;
  std::vector<Flip> flips;

  void add(const TargetPosition& place, const RowDivergence& row);
  size_t size() const { return positions.size(); }
  const std::vector<double>& operator[](Metric metric) const { return values[static_cast<size_t>(metric)]; }
};

// How far a value is from that of two equal rows.
inline double deviation(double value, double equal) { return value > equal ? value - equal : equal - value; }

// The mean deviation of the first `count` targets. NaN of none.
double mean_deviation(const TokenMetrics& series, Metric metric, size_t count);

inline constexpr std::array<double, 9> kPercentiles = {0.1, 1, 5, 25, 50, 75, 95, 99, 99.9};

// Of one metric over all targets. standard_error: of the mean, as if the targets were independent;
// batch_standard_error: by batch means, which lets neighbours depend on each other; NaN of fewer than two. Percentiles
// are linear between neighbours.
struct Distribution {
  double mean, standard_error, batch_standard_error;
  std::array<double, std::size(kPercentiles)> percentiles;
  double farthest;        // the value with the largest deviation; of equal ones the first
  size_t farthest_index;  // of its target
  double median() const { return percentiles[4]; }
};

// values: one or more; equal: the one of two equal rows.
Distribution distribution_of(const std::vector<double>& values, double equal);
inline Distribution distribution_of(const TokenMetrics& series, Metric metric) {
  return distribution_of(series[metric], spec_of(metric).equal);
}

// Targets that are alike, from <= x < to.
struct Bucket {
  double from, to;
  int64_t count;
  std::array<double, kMetrics> means;
};

// By Place::row; buckets of equal size, at most 16 of them, none is empty.
std::vector<Bucket> by_position(const TokenMetrics& series);
// By the reference's entropy: [0, 0.5), [0.5, 1), then one nat each; none is empty.
std::vector<Bucket> by_entropy(const TokenMetrics& series);

// counts[i]: values in [edges[i], edges[i + 1]), four to a decade, over the occupied ones. below: less than 1e-20, as a
// difference of exactly 0 is; above: 1e4 and more, as an infinite one is.
struct Histogram {
  std::vector<double> edges;
  std::vector<int64_t> counts;
  int64_t below, above;
};
Histogram histogram_of(const TokenMetrics& series, Metric metric);

}  // namespace gpt2run
