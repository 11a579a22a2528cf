// The table and the JSON are made from one list of lines, in which the shares of the machine's limits are computed.
#include "gpt2bench/report.hpp"

#include <stdlib.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "common/pipeline/explain.hpp"
#include "common/program/columns.hpp"
#include "gpt2run/sdk/json_text.hpp"
#include "gpt2run/sdk/processors.hpp"

namespace gpt2run {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// One measure of one series.
struct Line {
  const Series* series;
  Measure measure;
  const Samples* samples;
  int threads;
  double weight_bytes;  // bytes of weights read per token; NaN for measures that they do not limit
  double share;         // of the read bandwidth at this number of threads; NaN likewise
  double operations;    // per token; NaN for measures that they do not limit
  double of_compute;    // share of the arithmetic rate at this number of threads; NaN likewise
};

double weights_per_token(const Report& report, const Series& series, Measure measure) {
  const int64_t bytes = series.step_bytes;
  const bool single = measure == Measure::decode || measure == Measure::decode_long;
  if (bytes == 0 || (!single && measure != Measure::decode_batch)) return kUnknown;
  return static_cast<double>(bytes) / (single ? 1 : report.work.batch);
}

std::vector<Line> lines_of(const Report& report) {
  std::vector<Line> lines;
  for (const Series& series : report.series) {
    for (int m = 0; m < kMeasures; ++m) {
      const auto measure = static_cast<Measure>(m);
      const Samples& samples = series.samples[m];
      if (samples.values.empty()) continue;
      const int threads = threads_of(series, report);
      const double bytes = weights_per_token(report, series, measure);
      double share = kUnknown;
      for (const Bandwidth& bandwidth : report.bandwidths)
        if (bandwidth.threads == threads && series.precision.plugin->space == Space::host)
          share = bytes * samples.median() / bandwidth.samples.median();
      const double operations =
          measure == Measure::prefill ? operations_per_row(report.config, report.work.prompt) : kUnknown;
      const Compute* compute = compute_of(report, series);
      const double of_compute = compute ? operations * samples.median() / compute->samples.median() : kUnknown;
      lines.push_back({&series, measure, &samples, threads, bytes, share, operations, of_compute});
    }
  }
  return lines;
}

std::string shown(const Samples& samples, double scale = 1) {
  const double least = samples.least() * scale, greatest = samples.greatest() * scale;
  const char* format = greatest < 9.995 ? "%.2f" : greatest < 999.5 ? "%.1f" : "%.0f";
  return shown_number(samples.median() * scale, format) + " (" + shown_number(least, format) + " - " +
         shown_number(greatest, format) + ")";
}

void append(std::string& json, const Samples& samples, double scale = 1) {
  append_field(json, "median", samples.median() * scale);
  append_field(json, "least", samples.least() * scale);
  append_field(json, "greatest", samples.greatest() * scale);
  json += ", \"samples\": [";
  for (size_t i = 0; i < samples.values.size(); ++i) {
    if (i > 0) json += ", ";
    append_number(json, samples.values[i] * scale);
  }
  json += "]";
}

// GB/s of weights, keys and values that are read; NaN where the session does not tell their size.
double read_rate(const Report& report, const Decode& decode) {
  const Series& series = report.series[decode.series];
  if (series.step_bytes == 0) return kUnknown;
  return bytes_per_step(report.config, decode.shape, report.work.new_tokens, series) * decode.samples.median() /
         decode.shape.sequences * 1e-9;
}

const char* way_of(const Decode& decode) { return decode.repeats ? "repeat" : "loop"; }

const char* kinds_of(Arithmetic arithmetic) {
  constexpr const char* kKinds[] = {"FP32 multiply-adds (FP16 too)", "dot products of BF16", "dot products of INT8",
                                    "BF16 products of tiles", "INT8 products of tiles"};
  return kKinds[static_cast<size_t>(arithmetic)];
}

std::string decodes_table(const Report& report) {
  std::vector<std::vector<std::string>> rows = {
      {"PRECISION", "THREADS", "CONTEXT", "SEQUENCES", "WAY", "TOKENS/S (MIN - MAX)", "GB/S"}};
  for (const Decode& decode : report.decodes) {
    const Series& series = report.series[decode.series];
    rows.push_back({to_text(series.precision.spec), std::to_string(threads_of(series, report)),
                    std::to_string(decode.shape.context), std::to_string(decode.shape.sequences), way_of(decode),
                    shown(decode.samples), shown_number(read_rate(report, decode), "%.1f")});
  }
  return in_columns(std::move(rows));
}

std::string decodes_json(const Report& report) {
  std::string json = ",\n\"decodes\": [";
  const char* separator = "\n{";
  for (const Decode& decode : report.decodes) {
    const Series& series = report.series[decode.series];
    json += std::exchange(separator, ",\n{");
    append_field(json, "precision", to_text(series.precision.spec));
    append_field(json, "plugin", series.precision.plugin->name);
    append_field(json, "threads", threads_of(series, report));
    append_field(json, "context", decode.shape.context);
    append_field(json, "sequences", decode.shape.sequences);
    append_field(json, "way", way_of(decode));
    append_field(json, "unit", "tokens/s");
    append(json, decode.samples);
    append_field(json, "gb_per_s", read_rate(report, decode));
    json += "}";
  }
  return json + "]";
}

}  // namespace

void describe_machine(Report& report) {
  std::ifstream file("/proc/cpuinfo");
  constexpr std::string_view kKey = "model name";
  for (std::string line; report.machine.empty() && std::getline(file, line);)
    if (line.starts_with(kKey)) report.machine = line.substr(std::min(line.find(": "), line.size() - 2) + 2);
  report.processors = processors();
  report.load_before = machine_load();
}

double machine_load() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : kUnknown;
}

int threads_of(const Series& series, const Report& report) {
  return series.threads > 0 ? series.threads : report.processors;
}

const Compute* compute_of(const Report& report, const Series& series) {
  const std::string type = type_name_of(series.precision);
  if (type.empty() || series.precision.plugin->space != Space::host) return nullptr;
  for (const Compute& compute : report.computes)
    if (compute.threads == threads_of(series, report) && compute.arithmetic == arithmetic_for(type)) return &compute;
  return nullptr;
}

Compute* compute_of(Report& report, const Series& series) {
  return const_cast<Compute*>(compute_of(std::as_const(report), series));
}

std::string to_table(const Report& report) {
  std::string text = "machine    " + printable(report.machine) + ", " + std::to_string(report.processors) +
                     " processors, load " + shown_number(report.load_before, "%.1f") + " before, " +
                     shown_number(report.load_after, "%.1f") + " after\n";
  text += "model      " + printable(report.model) + "\n";
  if (!report.decodes.empty())
    return text + "work       decode of " + std::to_string(report.work.new_tokens) +
           " tokens that end at the context; " + report.sampler + "\n\n" + decodes_table(report);
  text += "work       prefill of " + std::to_string(report.work.prompt) + " tokens; decode of " +
          std::to_string(report.work.new_tokens) + " tokens after " + std::to_string(kShort) + ", decode_long after " +
          std::to_string(report.work.prompt) + ", decode_batch of " + std::to_string(report.work.batch) +
          " sequences; " + report.sampler + "\n";
  for (const Bandwidth& bandwidth : report.bandwidths)
    text += "bandwidth  " + shown(bandwidth.samples, 1e-9) + " GB/s, " + std::to_string(bandwidth.threads) +
            (bandwidth.threads == 1 ? " thread reads " : " threads read ") +
            shown_bytes(static_cast<int64_t>(report.bandwidth_bytes)) + "\n";
  for (const Compute& compute : report.computes)
    text += "compute    " + shown(compute.samples, 1e-9) + " GFLOP/s, " + std::to_string(compute.threads) +
            (compute.threads == 1 ? " thread does " : " threads do ") + kinds_of(compute.arithmetic) + "\n";
  std::vector<std::vector<std::string>> rows = {{"PRECISION", "THREADS", "MEASURE", "MEDIAN (MIN - MAX)", "UNIT",
                                                 "WEIGHTS PER TOKEN", "OF BANDWIDTH", "MFLOP PER TOKEN", "OF COMPUTE"}};
  bool has_shares = false, has_operations = false;
  for (const Line& line : lines_of(report)) {
    has_shares |= !std::isnan(line.share), has_operations |= !std::isnan(line.operations);
    rows.push_back({to_text(line.series->precision.spec), std::to_string(line.threads), name_of(line.measure),
                    shown(*line.samples), unit_of(line.measure),
                    std::isnan(line.weight_bytes) ? "-" : shown_bytes(static_cast<int64_t>(line.weight_bytes)),
                    shown_number(line.share, "%.2f"), shown_number(line.operations * 1e-6, "%.1f"),
                    shown_number(line.of_compute, "%.2f")});
  }
  constexpr char kShares[] =
      "OF BANDWIDTH: weights read per second over the bandwidth above; more than 1 where they stay in a cache\n";
  constexpr char kOperations[] =
      "MFLOP PER TOKEN: millions of operations of its products, two for a multiply-add; OF COMPUTE: these per second "
      "over the compute above\n";
  text.append("\n").append(in_columns(std::move(rows))).append(has_shares || has_operations ? "\n" : "");
  return text + (has_shares ? kShares : "") + (has_operations ? kOperations : "");
}

std::string to_json(const Report& report) {
  std::string json = "{";
  append_field(json, "machine", report.machine);
  append_field(json, "processors", report.processors);
  append_field(json, "load_before", report.load_before);
  append_field(json, "load_after", report.load_after);
  append_field(json, "model", report.model);
  append_field(json, "sampler", report.sampler);
  append_field(json, "prompt_tokens", report.work.prompt);
  append_field(json, "short_prompt_tokens", kShort);
  append_field(json, "new_tokens", report.work.new_tokens);
  append_field(json, "batch", report.work.batch);
  append_field(json, "bandwidth_bytes", static_cast<double>(report.bandwidth_bytes));
  json += ",\n\"bandwidth\": [";
  for (size_t i = 0; i < report.bandwidths.size(); ++i) {
    json += i > 0 ? ",\n{" : "\n{";
    append_field(json, "threads", report.bandwidths[i].threads);
    append_field(json, "unit", "GB/s");
    append(json, report.bandwidths[i].samples, 1e-9);
    json += "}";
  }
  json += "],\n\"compute\": [";
  for (size_t i = 0; i < report.computes.size(); ++i) {
    json += i > 0 ? ",\n{" : "\n{";
    append_field(json, "threads", report.computes[i].threads);
    append_field(json, "arithmetic", name_of(report.computes[i].arithmetic));
    append_field(json, "unit", "GFLOP/s");
    append(json, report.computes[i].samples, 1e-9);
    json += "}";
  }
  json += "],\n\"results\": [";
  const char* separator = "\n{";
  for (const Line& line : lines_of(report)) {
    json += std::exchange(separator, ",\n{");
    append_field(json, "precision", to_text(line.series->precision.spec));
    append_field(json, "plugin", line.series->precision.plugin->name);
    append_field(json, "threads", line.threads);
    append_field(json, "measure", name_of(line.measure));
    append_field(json, "unit", unit_of(line.measure));
    append(json, *line.samples);
    append_field(json, "weight_bytes_per_token", line.weight_bytes);
    append_field(json, "of_bandwidth", line.share);
    append_field(json, "operations_per_token", line.operations);
    append_field(json, "of_compute", line.of_compute);
    json += "}";
  }
  json += "]";
  if (!report.decodes.empty()) json += decodes_json(report);
  return json + "}\n";
}

}  // namespace gpt2run
