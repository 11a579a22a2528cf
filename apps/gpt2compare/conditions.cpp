// The parser of --fail-if, and the evaluation of conditions.
#include "gpt2compare/conditions.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "gpt2run/sdk/json_text.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

std::string number_text(double value) {
  if (std::isnan(value)) return "no number";
  if (std::isinf(value)) return value > 0 ? "infinity" : "-infinity";
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string percentile_name(double percentile) {
  std::string name(1, 'p');
  append_number(name, percentile);
  return name;
}

bool is_statistic(std::string_view name) {
  for (const double percentile : kPercentiles)
    if (name == percentile_name(percentile)) return true;
  return name == "mean" || name == "standard_error" || name == "batch_standard_error" || name == "median" ||
         name == "max";
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names = {"kl"};
  for (int m = 0; m < kMetrics; ++m) names.emplace_back(spec_of(static_cast<Metric>(m)).name);
  return names;
}

// The metric that a name begins with, or nearly is, for messages: ": did you mean top1_agreement?", or nothing.
std::string nearest_metric(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kOthers[] = {{"top1", "top1_agreement"},
                                                                       {"top_1", "top1_agreement"},
                                                                       {"agreement", "top1_agreement"},
                                                                       {"mse", "logit_mse"},
                                                                       {"tv", "tvd"},
                                                                       {"total_variation", "tvd"},
                                                                       {"jsd", "js"},
                                                                       {"kld", "kl"},
                                                                       {"kl_divergence", "kl"},
                                                                       {"overlap", "topk_overlap"},
                                                                       {"logprob", "logprob_difference"}};
  const std::vector<std::string> names = metric_names();
  std::string nearest;
  for (size_t end = name.size(); nearest.empty() && end != name.npos && end > 0; end = name.rfind('_', end - 1)) {
    const std::string_view metric = name.substr(0, end);
    const auto* other = std::ranges::find(kOthers, metric, [](const auto& pair) { return pair.first; });
    nearest = other != std::end(kOthers) ? std::string(other->second) : nearest_name(metric, names);
  }
  return nearest.empty() ? "" : ": did you mean " + nearest + "?";
}

// Splits a name such as "kl_ref_test_p99" into metric and statistic, and returns whether it is valid.
bool parse_name(std::string_view name, Condition& condition) {
  const auto take = [&](std::string_view metric, Metric which) {
    if (!name.starts_with(metric)) return false;
    const std::string_view rest = name.substr(metric.size());
    if (!rest.empty() && (rest[0] != '_' || !is_statistic(rest.substr(1)))) return false;
    condition.metric = which, condition.statistic = rest.empty() ? "mean" : rest.substr(1);
    return true;
  };
  for (int m = 0; m < kMetrics; ++m)
    if (take(spec_of(static_cast<Metric>(m)).name, static_cast<Metric>(m))) return true;
  return take("kl", Metric::kl_ref_test);
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(' ');
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

Condition parse_condition(std::string_view text) {
  Condition condition{std::string(text), {}, "", false, false, 0};
  const size_t at = text.find_first_of("<>");
  if (at == text.npos) usage_error("--fail_if: expected NAME>NUMBER, found ", in_quotes(text));
  const size_t size = text.substr(at + 1).starts_with('=') ? 2 : 1;
  condition.above = text[at] == '>', condition.or_equal = size == 2;
  if (const std::string_view name = trimmed(text.substr(0, at)); !parse_name(name, condition)) {
    std::string names;
    for (const std::string& one : metric_names()) names += (names.empty() ? "" : ", ") + one;
    usage_error(
        "--fail_if: expected a metric (", names,
        "), alone or with _mean, _standard_error, _batch_standard_error, _median, _max or _p0.1 to _p99.9, found ",
        in_quotes(name), nearest_metric(name));
  }
  const std::string_view number = trimmed(text.substr(at + size));
  const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), condition.limit);
  if (code != std::errc() || end != number.data() + number.size() || std::isnan(condition.limit))
    usage_error("--fail_if: expected a number", code == std::errc::result_out_of_range ? " that a double can hold" : "",
                " after ", in_quotes(text.substr(0, at + size)), ", found ", in_quotes(number));
  return condition;
}

}  // namespace

std::vector<Condition> parse_conditions(std::string_view text) {
  std::vector<Condition> conditions;
  if (text.empty()) return conditions;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    conditions.push_back(parse_condition(trimmed(text.substr(begin, end - begin))));
    begin = end + 1;
  }
  return conditions;
}

double value_of(const Condition& condition, const TokenMetrics& series) {
  const Distribution found = distribution_of(series, condition.metric);
  if (condition.statistic == "mean") return found.mean;
  if (condition.statistic == "standard_error") return found.standard_error;
  if (condition.statistic == "batch_standard_error") return found.batch_standard_error;
  if (condition.statistic == "median") return found.median();
  if (condition.statistic == "max") return found.extreme;
  size_t which = 0;
  while (condition.statistic != percentile_name(kPercentiles[which])) ++which;
  return found.percentiles[which];
}

bool is_met(const Condition& condition, double value) {
  if (value == condition.limit) return condition.or_equal;
  return condition.above ? !(value < condition.limit) : !(value > condition.limit);
}

std::vector<std::string> failures_of(const std::vector<Condition>& conditions, const TokenMetrics& series) {
  std::vector<std::string> lines;
  for (const Condition& condition : conditions) {
    const double value = value_of(condition, series);
    if (!is_met(condition, value)) continue;
    std::string line = series.name;
    line.append(": ").append(condition.text).append(" is met: ").append(spec_of(condition.metric).name).append("_");
    line.append(condition.statistic).append(" is ").append(number_text(value));
    line.append(", off by ").append(number_text(std::fabs(value - condition.limit)));
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace gpt2run
