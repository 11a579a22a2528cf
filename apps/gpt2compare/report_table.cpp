// The short table, which is always shown, and the tables of --full.
#include <cmath>

#include "common/evaluation/texts.hpp"
#include "common/program/columns.hpp"
#include "gpt2compare/report_cells.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

constexpr size_t kMostFlips = 20;

std::string shown(double value) { return shown_number(value, "%.3g"); }

// The absolute values. Positive and negative differences cancel in a mean, and the floor is a mean of absolute values.
std::vector<double> sizes_of(std::vector<double> values) {
  for (double& value : values) value = std::fabs(value);
  return values;
}

bool is_signed(Metric metric) { return metric == Metric::logprob_difference; }

// A row of the table of metrics. Cosines are all close to 1, so their distance from 1 is shown. A signed metric has a
// second row with its absolute value (size), and only that one is compared with the floor.
std::vector<std::string> full_row(const Comparison& comparison, const TestResult& test, Metric metric, bool size) {
  std::string name(spec_of(metric).name);
  std::vector<double> values = test.series[metric];
  double equal = spec_of(metric).equal;
  if (metric == Metric::cosine || metric == Metric::cosine_aligned) {
    for (double& value : values) value = equal - value;
    name.insert(0, "1 - "), equal = 0;
  }
  if (size) values = sizes_of(std::move(values)), name.insert(0, 1, '|').append(1, '|');
  const Distribution found = distribution_of(values, equal);
  const bool held = size || !is_signed(metric);
  std::vector<std::string> row = {name, mean_cell(found) + (held ? mark_of(test, metric) : ""),
                                  held ? floor_cell(test, metric) : "-"};
  for (const double value : found.percentiles) row.push_back(shown(value));
  const TargetPosition& place = test.series.positions[found.extreme_index];
  row.push_back(shown(found.extreme));
  row.push_back(std::to_string(place.text) + ":" + std::to_string(place.position) + " " +
                in_quotes(text_around(comparison.texts, place, comparison.tokenizer)));
  return row;
}

std::string metrics_table(const Comparison& comparison, const TestResult& test) {
  std::vector<std::vector<std::string>> rows = {{"METRIC", "MEAN", "FLOOR"}};
  for (const double percentile : kPercentiles) rows[0].push_back(shown_number(percentile, "P%g"));
  rows[0].insert(rows[0].end(), {"FARTHEST", "AT TEXT:POSITION"});
  for (int m = 0; m < kMetrics; ++m) {
    const auto metric = static_cast<Metric>(m);
    rows.push_back(full_row(comparison, test, metric, false));
    if (is_signed(metric)) rows.push_back(full_row(comparison, test, metric, true));
  }
  return in_columns(std::move(rows), "  ");
}

std::string floors_table(const TestResult& test) {
  std::vector<std::vector<std::string>> rows = {
      {"FLOOR OF", "AGAINST", "TARGETS", "KL_REF_TEST", "LOGIT_MSE", "TOP1_AGREEMENT"}};
  for (const FloorPart& part : test.floor) {
    const auto value = [&](Metric metric) { return part.deviations[static_cast<size_t>(metric)]; };
    rows.push_back({part.instance, part.what, std::to_string(part.targets), shown(value(Metric::kl_ref_test)),
                    shown(value(Metric::logit_mse)), shown(1 - value(Metric::top1_agreement))});
  }
  return rows.size() == 1 ? "" : in_columns(std::move(rows), "  ") + "\n";
}

std::string buckets_table(const std::vector<Bucket>& buckets, const char* title) {
  std::vector<std::vector<std::string>> rows = {
      {title, "TARGETS", "KL_REF_TEST", "LOGPROB_DIFFERENCE", "TOP1_AGREEMENT"}};
  for (const Bucket& bucket : buckets) {
    const auto mean = [&](Metric metric) { return shown(bucket.means[static_cast<size_t>(metric)]); };
    rows.push_back({shown_number(bucket.from, "%.10g") + " to " + shown_number(bucket.to, "<%.10g"),
                    std::to_string(bucket.count), mean(Metric::kl_ref_test), mean(Metric::logprob_difference),
                    mean(Metric::top1_agreement)});
  }
  return in_columns(std::move(rows), "  ") + "\n";
}

std::string flips_table(const Comparison& comparison, const TokenMetrics& series) {
  std::vector<std::vector<std::string>> rows = {{"FLIP", "TEST", "MARGIN", "OF PROBABILITY", "AT TEXT:POSITION"}};
  for (const TopTokenFlip& flip : series.flips) {
    if (rows.size() > kMostFlips) break;
    rows.push_back({in_quotes(token_text(flip.ref_token, comparison.tokenizer)),
                    in_quotes(token_text(flip.test_token, comparison.tokenizer)), shown(flip.margin),
                    shown(flip.margin_probability),
                    std::to_string(flip.place.text) + ":" + std::to_string(flip.place.position) + " " +
                        in_quotes(text_around(comparison.texts, flip.place, comparison.tokenizer))});
  }
  if (rows.size() == 1) return "  no flips: the same most likely token everywhere\n";
  const size_t left = series.flips.size() - (rows.size() - 1);
  return in_columns(std::move(rows), "  ") + (left > 0 ? "  and " + std::to_string(left) + " more in --json\n" : "");
}

}  // namespace

std::string mean_cell(const Distribution& found, const char* format) {
  const std::string mean = shown_number(found.mean, format);
  if (std::isnan(found.standard_error)) return mean;
  const bool alike = found.batch_standard_error == found.standard_error;
  return mean + " +- " + shown_number(found.standard_error, "%.2g") +
         (alike ? "" : " (" + shown_number(found.batch_standard_error, "%.2g") + ")");
}

std::string mark_of(const TestResult& test, Metric metric) {
  if (mean_deviation(test.series, metric, test.series.size()) == 0) return " =";
  return is_below(test.series, metric, test.floor) ? " ~" : "";
}

std::string floor_cell(const TestResult& test, Metric metric) {
  return test.floor.empty() ? "-" : shown(floor_of(test.floor)[static_cast<size_t>(metric)]);
}

std::string legend_of(const Comparison& comparison) {
  bool below = false, equal = false;
  int64_t targets = 0;
  for (const TestResult& test : comparison.tests) {
    for (int m = 0; m < kMetrics; ++m) {
      const std::string found = mark_of(test, static_cast<Metric>(m));
      below |= found == " ~", equal |= found == " =";
    }
    for (const FloorPart& part : test.floor) targets = std::max(targets, part.targets);
  }
  std::string text;
  if (comparison.targets > 1)
    text +=
        "+-     one standard error if tokens were independent; in brackets by batch means, without that assumption\n";
  if (targets > 0)
    text += "floor  the most that rounding alone causes, a mean over the first " + std::to_string(targets) +
            " targets: of 1 - x for shares x, of absolute values for differences\n";
  if (below)
    text +=
        "~      over the targets of the floor, the difference is not above it: rounding alone causes as much there\n";
  if (equal) text += "=      exactly equal\n";
  return text;
}

std::string to_table(const Comparison& comparison) {
  std::vector<std::vector<std::string>> rows = {{"TEST", "KL(" + comparison.reference + " || TEST), NATS", "FLOOR",
                                                 "SAME TOP-1", "FLOOR", "|LOG-PROBABILITY DIFFERENCE|", "FLOOR"}};
  for (const TestResult& test : comparison.tests) {
    std::vector<std::string> row = {test.series.name};
    for (const Metric metric : {Metric::kl_ref_test, Metric::top1_agreement, Metric::logprob_difference}) {
      const bool share = metric == Metric::top1_agreement;
      const std::vector<double>& values = test.series[metric];
      const Distribution found = distribution_of(is_signed(metric) ? sizes_of(values) : values, spec_of(metric).equal);
      row.push_back(mean_cell(found, share ? "%.4f" : "%.3g") + mark_of(test, metric));
      row.push_back(floor_cell(test, metric));
    }
    rows.push_back(std::move(row));
  }
  return in_columns(std::move(rows)) + legend_of(comparison);
}

std::string to_full_table(const Comparison& comparison) {
  std::string text;
  for (const TestResult& test : comparison.tests) {
    text += printable(test.series.name + " against " + comparison.reference) + "\n";
    text += metrics_table(comparison, test) + "\n" + floors_table(test);
    text += buckets_table(by_position(test.series), "POSITION");
    text += buckets_table(by_entropy(test.series), "ENTROPY");
    text += "  " + direction_line(test.series) + "\n" + flips_table(comparison, test.series) + "\n";
  }
  return text + legend_of(comparison);
}

}  // namespace gpt2run
