// Remarks about operations and layers, which are always shown, and their table for --full.
#include <cmath>
#include <cstdio>

#include "common/program/columns.hpp"
#include "gpt2compare/report.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

std::string scientific(double value) {
  if (std::isnan(value)) return "nan";
  char text[32];
  std::snprintf(text, sizeof text, "%.2e", value);
  return text;
}

constexpr char kNoTaps[] = " has no taps, so there are no errors by operation and layer\n";
constexpr char kNoThreshold[] =
    ": operations have no threshold: give --layer_threshold, or compare fp32, fp16 or bf16, whose rounding is known\n";

std::string layer_text(int32_t layer) { return layer < 0 ? "-" : std::to_string(layer); }

}  // namespace

std::string to_lines(const Layers& layers) {
  if (!layers.tapped) return printable(layers.reference) + kNoTaps;
  std::string text;
  const auto add_nan = [&](const std::string& name, const std::vector<OpRange>& ranges) {
    if (const std::string line = first_nan(name, ranges); !line.empty()) text += printable(line) + "\n";
  };
  add_nan(layers.reference, layers.ranges);
  for (const LayerTest& test : layers.tests) {
    if (!test.tapped) text += printable(test.name) + kNoTaps;
    add_nan(test.name, test.ranges);
    if (test.tapped && !test.threshold) text += printable(test.name) + kNoThreshold;
    if (!test.first_above || !test.threshold) continue;
    const OpError& error = test.errors[*test.first_above];
    if (std::isnan(error.rms_error)) continue;  // reported by add_nan()
    text += printable(test.name) + ": the first operation with a relative RMS error above " +
            scientific(*test.threshold) + " is " + position_of(error.op, error.layer) + ", with " +
            scientific(error.rms_error) + "\n";
  }
  return text;
}

std::string to_table(const Layers& layers) {
  if (layers.ranges.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"OPERATION", "LAYER", "MAX |X|", "65504 / MAX", "BELOW 2^-14"}};
  for (const LayerTest& test : layers.tests)
    if (test.tapped) rows[0].push_back("ERROR OF " + test.name + " / RMS");
  for (size_t i = 0; i < layers.ranges.size(); ++i) {
    const OpRange& range = layers.ranges[i];
    rows.push_back({range.op, layer_text(range.layer), scientific(range.nans > 0 ? NAN : range.max),
                    scientific(range.headroom), scientific(range.subnormal_share)});
    for (const LayerTest& test : layers.tests)
      if (test.tapped)
        rows.back().push_back(scientific(test.errors[i].rms_error) + (test.first_above == i ? " first above" : ""));
  }
  std::string within;
  for (const LayerTest& test : layers.tests)
    if (test.tapped && test.threshold && !test.first_above)
      within +=
          printable(test.name) + ": no operation has a relative RMS error above " + scientific(*test.threshold) + "\n";
  return "outputs of the operations of " + printable(layers.reference) + ", the reference, over " +
         std::to_string(layers.rows) + " rows, and errors of the tests\n" + in_columns(std::move(rows), "  ") + within +
         "\n";
}

}  // namespace gpt2run
