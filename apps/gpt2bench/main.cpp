// gpt2bench: measures how fast precisions are on this machine, and how close they come to its limits. gpt2bench sweep
// measures the phases of a step. Tables go to standard output, messages to standard error. Exit codes: 0 for success, 2
// for a wrong command line, 1 for any other error.

#include <algorithm>

#include "common/config/create.hpp"
#include "common/pipeline/loader_choice.hpp"
#include "common/pipeline/model_path.hpp"
#include "common/pipeline/packed_model.hpp"
#include "common/pipeline/run_files.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/program.hpp"
#include "gpt2bench/bandwidth.hpp"
#include "gpt2bench/plan.hpp"
#include "gpt2bench/report.hpp"
#include "gpt2bench/sweep.hpp"
#include "gpt2run/sdk/output_file.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

// Adds entries to the report for the limits of each series that runs on this machine's CPU. Series with the same limit
// share an entry.
void add_limits(Report& report) {
  for (const Series& series : report.series) {
    if (series.precision.plugin->space != Space::host) continue;  // does not run on the CPU
    const int threads = threads_of(series, report);
    const auto same = [&](const auto& one) { return one.threads == threads; };
    if (std::none_of(report.bandwidths.begin(), report.bandwidths.end(), same))
      report.bandwidths.push_back({threads, {}});
    const std::string type = type_name_of(series.precision);
    if (!type.empty() && !compute_of(report, series)) report.computes.push_back({threads, arithmetic_for(type), {}});
  }
}

// Takes one sample of the limits of one series.
void measure_limits(Report& report, const Series& series) {
  for (Bandwidth& bandwidth : report.bandwidths)
    if (bandwidth.threads == threads_of(series, report))
      bandwidth.samples.values.push_back(ReadBandwidth(report.bandwidth_bytes).measure(bandwidth.threads));
  if (Compute* compute = compute_of(report, series))
    compute->samples.values.push_back(compute_rate(compute->arithmetic, compute->threads));
}

void measure(Report& report, const Checkpoint& checkpoint, std::span<const BoundPlugin> samplers, int repetitions) {
  add_limits(report);
  for (int round = 1; round <= repetitions; ++round) {
    for (Series& series : report.series) {
      measure_limits(report, series);
      add_round(series, checkpoint, samplers, report.work);
    }
    log_info("round " + std::to_string(round) + " of " + std::to_string(repetitions));
  }
}

void measure_decodes(Report& report, const Checkpoint& checkpoint, std::span<const BoundPlugin> samplers,
                     const std::vector<DecodeShape>& shapes, int repetitions) {
  for (size_t i = 0; i < report.series.size(); ++i) {
    add_decodes(report.decodes, i, report.series[i], checkpoint, samplers, shapes, report.work, repetitions);
    log_info("precision " + std::to_string(i + 1) + " of " + std::to_string(report.series.size()));
  }
}

// Fetches every tensor, so that a cold start does not include what a loader computes at first use.
void touch(const Checkpoint& checkpoint) {
  for (int w = 0; w < kWeights; ++w) {
    const auto weight = static_cast<Weight>(w);
    for (int layer = 0; layer < (is_per_layer(weight) ? checkpoint.config().L : 1); ++layer)
      checkpoint.tensor(weight, layer);
  }
}

std::vector<const BoundPlugin*> plugins_of(const BoundPlugin& loader, std::span<const BoundPlugin> samplers,
                                           const Report& report) {
  std::vector<const BoundPlugin*> plugins = {&loader};
  for (const BoundPlugin& sampler : samplers) plugins.push_back(&sampler);
  for (const Series& series : report.series) plugins.push_back(&series.precision);
  return plugins;
}

void start(std::vector<std::string> arguments) {
  Configuration configuration(bench_options(), std::move(arguments));
  const OptionValues& values = configuration.values();
  set_quiet(values.flag("quiet"));
  const auto small = [&](const char* key) { return static_cast<int32_t>(values.integer(key)); };
  if (values.flag("help"))
    return print("usage: gpt2bench [options]\n       gpt2bench sweep [options]   (gpt2bench sweep --help)\n\n" +
                 help_of(configuration.core()));
  watch_interrupts();
  PluginHost host = plugin_host(configuration);
  Report report{};
  report.model = model_path(std::string(values.text("model")));
  report.work = {small("prompt_tokens"), small("new_tokens"), small("batch"), small("passes"), small("device")};
  report.bandwidth_bytes = static_cast<size_t>(values.integer("read_mb")) << 20;
  if (configuration.layer("model") == Layer::fallback) log_info("no --model: " + report.model);
  BoundPlugin loader = choose_loader(host, configuration, report.model);
  const std::vector<BoundPlugin> samplers = plan(host, configuration, loader, report.series);
  for (const BoundPlugin& sampler : samplers) {
    if (!report.sampler.empty()) report.sampler += ',';
    report.sampler += to_text(sampler.spec);
  }
  const std::string json(values.text("json"));
  check_output(host, configuration, report.model, plugins_of(loader, samplers, report), {"--json", json});
  check_writable(json);
  const auto opener = create<Loader>(loader);
  const auto checkpoint = open_model(*opener, loader, report.model);
  report.config = checkpoint->config();
  const std::string_view decode = values.text("decode");
  const std::vector<DecodeShape> shapes =
      decode.empty() ? std::vector<DecodeShape>() : parse_decodes(decode, report.config, report.work.new_tokens);
  if (shapes.empty()) limits_of(report.work, report.config, 0);
  touch(*checkpoint);
  describe_machine(report);
  if (shapes.empty())
    measure(report, *checkpoint, samplers, small("repetitions"));
  else
    measure_decodes(report, *checkpoint, samplers, shapes, small("repetitions"));
  report.load_after = machine_load();
  publish_results(
      json, [&] { return to_json(report); }, [&] { return to_table(report); });
}

}  // namespace
}  // namespace gpt2run

int main(int count, char** arguments) {
  return gpt2run::run_main("gpt2bench", count, arguments, [](std::vector<std::string> given) {
    if (!given.empty() && given.front() == "sweep")
      gpt2run::sweep({given.begin() + 1, given.end()});
    else
      gpt2run::start(std::move(given));
    return 0;
  });
}
