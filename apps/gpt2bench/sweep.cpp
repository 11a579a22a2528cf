// Each run is a Composition of its own, to which the sweep adds a sink that collects times for the tables.
#include "gpt2bench/sweep.hpp"

#include "common/config/create.hpp"
#include "common/pipeline/memory_check.hpp"
#include "common/pipeline/run_files.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/progress.hpp"
#include "gpt2bench/sweep_plan.hpp"
#include "gpt2bench/sweep_table.hpp"
#include "gpt2run/sdk/output_file.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

std::string help() {
  return "usage: gpt2bench sweep [options]\n\n"
         "Generates from the same prompts for every length, precision and sampler, beyond the end of text, and writes\n"
         "the milliseconds of every pass's phases. Options of plugins as for gpt2run.\n\n" +
         help_of(sweep_options());
}

// How many tokens a run will generate. Throws for a run that is not possible.
int64_t tokens_of(PluginHost& host, const SweepRun& run) {
  const Composition composition = compose(host, run);
  composition.limits();
  int64_t tokens = 0;
  for (const Prompt& prompt : composition.prompts()) tokens += run.length - std::ssize(prompt.tokens);
  return tokens;
}

// generated: the tokens generated so far, which is updated. all: those of the whole sweep.
void run_one(PluginHost& host, const SweepRun& run, SweepTable& table, Progress& progress, int64_t& generated,
             int64_t all) {
  Composition composition = compose(host, run);
  StepRecorder recorder;
  composition.add(recorder);
  ManifestFile file(run.manifest);
  check_memory(composition.choice().precision, composition.checkpoint(), composition.limits());
  composition.open();
  const std::string manifest = composition.manifest().to_json();
  const Summary summary = composition.run(manifest, [&](int64_t, int64_t) {
    if (interrupted())
      fail("interrupted in ", run.name(), ", after ", generated + recorder.tokens(), " of ", all, " tokens");
    progress.update(generated + recorder.tokens(), all);
  });
  file.publish(manifest);
  generated += recorder.tokens();
  table.add(run.precision, run.placement, run.length, recorder, summary.open_seconds);
}

}  // namespace

void sweep(const std::vector<std::string>& arguments) {
  Configuration configuration(sweep_options(), arguments);
  const OptionValues& values = configuration.values();
  set_quiet(values.flag("quiet"));
  if (values.flag("help")) return write_all(STDOUT_FILENO, help(), "standard output");
  watch_interrupts();
  set_once(true);
  PluginHost host = plugin_host(configuration);
  const std::vector<SweepRun> runs = plan_sweep(host, configuration, arguments);
  int64_t generated = 0, all = 0;
  for (const SweepRun& run : runs) all += tokens_of(host, run);
  const std::string out(values.text("out"));
  MadeFolders made_folders;
  made_folders.note(out + "/manifests");
  OutputFile summary(out + kTables[0]), positions(out + kTables[1]);
  SweepTable table;
  Progress progress("tokens", values.flag("quiet"));
  for (const SweepRun& run : runs) run_one(host, run, table, progress, generated, all);
  summary.write(table.summary());
  positions.write(table.positions());
  OutputFile* const tables[] = {&summary, &positions};
  OutputFile::publish_all(tables);
  log_info("wrote " + summary.path() + " and " + positions.path());
  write_all(STDOUT_FILENO, table.shown(), "standard output");
}

}  // namespace gpt2run
