// The table of --formats and that of --islands.
#include "common/evaluation/direction.hpp"
#include "common/program/columns.hpp"
#include "gpt2compare/report_cells.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

std::string bytes_cell(std::optional<int64_t> bytes) {
  constexpr double kMega = 1e6;
  return bytes ? shown_number(static_cast<double>(*bytes) / kMega, "%.3f") : "-";
}

// The mean difference of negative log-probabilities, which is minus that of log-probabilities.
std::string nll_cell(const TestResult& test) {
  std::vector<double> values = test.series[Metric::logprob_difference];
  for (double& value : values) value = 0 - value;
  return mean_cell(distribution_of(values, 0), "%+.2g");
}

std::string share_cell(const Direction& found) {
  if (found.changed == 0) return "-";
  return shown_number(found.share, "%.2f") + " [" + shown_number(found.low, "%.2f") + ", " +
         shown_number(found.high, "%.2f") + "]";
}

// "norm_up_gelu of layer 1" for "layer1.norm_up_gelu".
std::string words_of(const Island& island) {
  const std::string layer = "layer";
  if (!island.part.starts_with(layer)) return island.part;
  const size_t end = island.part.find('.');
  const std::string number = "layer " + island.part.substr(layer.size(), end - layer.size());
  return end == island.part.npos ? number : island.part.substr(end + 1) + " of " + number;
}

// The parts that restore half or more, the smallest parts first.
std::string guilty_line(const Islands& islands) {
  if (!(islands.kl > 0)) return "there is no damage to look for\n";
  std::string names;
  for (const bool detail : {true, false})
    for (const Island& island : islands.parts) {
      if ((island.division == Division::detail) != detail || !(island.restored >= kHalf)) continue;
      names += (names.empty() ? "" : ", ") + words_of(island) + " (" + shown_number(island.restored, "%.2f") + ")";
    }
  return names.empty() ? "no part alone does half of the damage\n"
                       : "half of the damage or more is done by " + names + "\n";
}

}  // namespace

std::string direction_line(const TokenMetrics& series) {
  const Direction found = direction_of(series);
  if (found.changed == 0) return "no most likely token changed";
  return "of " + std::to_string(found.changed) + " most likely tokens that changed, " + std::to_string(found.better) +
         " are better for the text and " + std::to_string(found.worse) + " worse: share of better " + share_cell(found);
}

std::string to_formats_table(const Comparison& comparison) {
  std::vector<std::vector<std::string>> rows = {{"TEST", "KL(" + comparison.reference + " || TEST), NATS", "FLOOR",
                                                 "SAME TOP-1", "FLOOR", "NLL DIFFERENCE", "BETTER", "WORSE",
                                                 "SHARE OF BETTER", "MB A STEP"}};
  for (const TestResult& test : comparison.tests) {
    const Direction direction = direction_of(test.series);
    std::vector<std::string> row = {test.series.name};
    for (const Metric metric : {Metric::kl_ref_test, Metric::top1_agreement}) {
      const char* format = metric == Metric::top1_agreement ? "%.4f" : "%.3g";
      row.push_back(mean_cell(distribution_of(test.series, metric), format) + mark_of(test, metric));
      row.push_back(floor_cell(test, metric));
    }
    row.push_back(nll_cell(test));
    row.push_back(std::to_string(direction.better));
    row.push_back(std::to_string(direction.worse));
    row.push_back(share_cell(direction));
    row.push_back(bytes_cell(test.step_bytes));
    rows.push_back(std::move(row));
  }
  return in_columns(std::move(rows)) + legend_of(comparison) +
         "better, worse  of the targets with another most likely token: where the text's own token got a higher or a "
         "lower "
         "probability; in brackets the 95 % interval of the share\n"
         "MB a step      bytes of weights that a step reads in this format, / 10^6; " +
         printable(comparison.reference) + ": " + bytes_cell(comparison.reference_bytes) + "\n";
}

std::string to_table(const Islands& islands) {
  std::vector<std::vector<std::string>> rows = {{"IN FP32", "DIVISION", "KL THAT REMAINS", "RESTORED"}};
  for (const Island& island : islands.parts)
    rows.push_back({words_of(island), name_of(island.division), shown_number(island.kl, "%.3g"),
                    shown_number(island.restored, "%.3f")});
  return "islands of FP32 in " + printable(islands.test) + ", whose KL is " + shown_number(islands.kl, "%.3g") + "\n" +
         in_columns(std::move(rows), "  ") + guilty_line(islands);
}

}  // namespace gpt2run
