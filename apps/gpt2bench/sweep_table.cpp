// Writes the rows of statistics. A field without a value is empty, as CSV readers expect.
#include "gpt2bench/sweep_table.hpp"

#include <cstdio>
#include <map>

#include "common/program/columns.hpp"
#include "gpt2run/evaluation/statistics.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

void append_field(std::string& line, double value) {
  line += ',';
  if (std::isfinite(value)) append_number(line, value);
}

// The fields mean, median, std and count.
void append_statistics(std::string& line, const std::vector<double>& values) {
  append_field(line, mean_of(values));
  append_field(line, quantile_of(sorted(values), 0.5));
  append_field(line, standard_deviation_of(values));
  append_field(line, static_cast<double>(values.size()));
}

std::string milliseconds(double value) {
  if (!std::isfinite(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

}  // namespace

double StepRecorder::Step::all() const {
  double sum = 0;
  for (const Phase& phase : kPhases) sum += times.*phase.time;
  return sum;
}

void StepRecorder::token(const TokenEvent& event) {
  steps_.back().position = event.position;
  ++tokens_;
}

void SweepTable::add(const std::string& precision, const std::string& placement, int length,
                     const StepRecorder& recorder, double open_seconds) {
  const std::string run = precision + "," + placement + "," + std::to_string(length) + ",";
  const auto add_row = [&](const char* key, const std::vector<double>& values) {
    summary_.append(run).append(key);
    append_statistics(summary_, values);
    append_field(summary_, mean_of(values) * static_cast<double>(values.size()));
    summary_ += '\n';
  };
  add_row("model_initialization", {open_seconds * 1e3});
  StepTimes sums{};
  for (const Phase& phase : kPhases) {
    std::vector<double> values;
    for (const StepRecorder::Step& step : recorder.steps()) {
      values.push_back(step.times.*phase.time);
      if (step.position >= 0) sums.*phase.time += step.times.*phase.time;
    }
    add_row(phase.name, values);
  }
  std::vector<double> prompts, tokens;
  std::map<int, std::vector<double>> positions;
  for (const StepRecorder::Step& step : recorder.steps()) {
    (step.position < 0 ? prompts : tokens).push_back(step.all());
    if (step.position >= 0) positions[step.position].push_back(step.all());
  }
  add_row("prompt", prompts);
  add_row("token", tokens);
  for (const auto& [position, values] : positions) {
    positions_.append(run).append(std::to_string(position));
    append_statistics(positions_, values);
    positions_ += '\n';
  }
  const auto per_token = [&](double sum) { return milliseconds(sum / static_cast<double>(tokens.size())); };
  shown_.push_back({precision, placement, std::to_string(length), std::to_string(tokens.size()),
                    milliseconds(quantile_of(sorted(tokens), 0.5)), milliseconds(mean_of(tokens)),
                    milliseconds(standard_deviation_of(tokens)), per_token(sums.forward),
                    per_token(sums.copy_to_device + sums.copy_to_host + sums.copy_next_token),
                    per_token(sums.sampling)});
}

std::string SweepTable::shown() const {
  return "milliseconds per token; forward, copies and sampling are means\n\n" + in_columns(shown_);
}

}  // namespace gpt2run
