// Conditions under which a comparison fails: --fail-if, for programs that watch over a change.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "common/evaluation/token_metrics.hpp"

namespace gpt2run {

// METRIC[_STATISTIC] OPERATOR NUMBER. METRIC as in files, or kl for kl_ref_test; STATISTIC: mean (also when left out),
// standard_error, batch_standard_error, median, max (the farthest value), or p0.1 to p99.9 for the percentiles.
struct Condition {
  std::string text;  // as given
  Metric metric;
  std::string statistic;
  bool above, or_equal;  // above: > or >=, else < or <=
  double limit;
};

// Throws UsageError naming what can be written.
std::vector<Condition> parse_conditions(std::string_view text);

double value_of(const Condition& condition, const TokenMetrics& series);

// A value that is no number meets every condition.
bool is_met(const Condition& condition, double value);

// One line for each condition that a test meets: which, the value, and by how much.
std::vector<std::string> failures_of(const std::vector<Condition>& conditions, const TokenMetrics& series);

}  // namespace gpt2run
