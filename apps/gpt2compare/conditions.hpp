// The conditions of --fail-if, under which a comparison fails. They are meant for automatic checks of a change.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "common/evaluation/token_metrics.hpp"

namespace gpt2run {

// A condition METRIC[_STATISTIC] OPERATOR NUMBER. METRIC is a name as in result files, or kl for kl_ref_test. STATISTIC
// is mean (the default), standard_error, batch_standard_error, median, max (the farthest value), or one of the
// percentiles from p0.1 to p99.9.
struct Condition {
  std::string text;  // as the user wrote it
  Metric metric;
  std::string statistic;
  bool above, or_equal;  // above: the operator is > or >=, else < or <=
  double limit;
};

// Parses conditions that are separated by commas. Throws UsageError naming what is possible.
std::vector<Condition> parse_conditions(std::string_view text);

// The value of a condition's metric and statistic.
double value_of(const Condition& condition, const TokenMetrics& series);

// Whether a value meets a condition. NaN meets every condition.
bool is_met(const Condition& condition, double value);

// One line for each condition that a test meets, with the value and its distance from the limit.
std::vector<std::string> failures_of(const std::vector<Condition>& conditions, const TokenMetrics& series);

}  // namespace gpt2run
