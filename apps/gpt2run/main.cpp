// gpt2run: continues prompts with a GPT-2 model. Results go to standard output, messages to standard error. Exit codes:
// 0 for success, 2 for a wrong command line, 1 for any other error.
#include <algorithm>
#include <cstdio>
#include <new>

#include "common/config/create.hpp"
#include "common/pipeline/explain.hpp"
#include "common/pipeline/memory_check.hpp"
#include "common/pipeline/run_files.hpp"
#include "common/pipeline/weight_report.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/program.hpp"
#include "common/program/progress.hpp"
#include "common/ranks/ranked_start.hpp"
#include "common/ranks/run_ranks.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

std::string help(PluginHost& host, Configuration& configuration) {
  std::string text =
      "usage: gpt2run [--prompt TEXT] [options]\n\n"
      "Options; '-' and '_' are alike in names:\n" +
      help_of(configuration.core()) +
      "\nOptions of the chosen plugins: --PLUGIN.KEY, --SLOT.KEY where one plugin of the slot (loader, precision, "
      "sampler, "
      "sink)\nhas it, PLUGIN:KEY=VALUE where a plugin is named. Short for every chosen plugin that has it: " +
      alias_names() + ".\n\n";
  try {
    Selection choice = choose(host, configuration);
    for (const BoundPlugin* chosen : choice.all()) text += help_of(*chosen->plugin);
  } catch (const Error& error) {
    text += std::string("(those of the plugins cannot be shown: ") + error.what() + ")\n";
  }
  return text +
         "\nThe last line on standard error: GB/s of weights = bytes that a step reads (all weights but position "
         "embeddings, and\nbut token embeddings that are not the head, as the precision stores them) x steps / seconds "
         "of "
         "the "
         "whole run.\n";
}

// The last line of a run: how much was generated, and how fast, if anything was.
std::string summary_line(const Summary& summary, const Composition& composition) {
  if (summary.new_tokens == 0) return "0 new tokens after " + std::to_string(summary.prompt_tokens);
  char text[256];
  const double seconds = summary.seconds > 0 ? summary.seconds : 1e-9;
  std::snprintf(text, sizeof text, "%lld new tokens after %lld, %.1f tokens/s, ",
                static_cast<long long>(summary.new_tokens), static_cast<long long>(summary.prompt_tokens),
                static_cast<double>(summary.new_tokens) / seconds);
  std::string line = text;
  if (const int64_t bytes = composition.traits().step_bytes) {
    const auto step = static_cast<double>(bytes);
    std::snprintf(text, sizeof text, "%.2f GB/s of weights, ",
                  step * static_cast<double>(summary.steps) / seconds / 1e9);
    line += text;
  }
  std::snprintf(text, sizeof text, "%.1f ms to the first token", summary.first_token_seconds * 1e3);
  return line + text;
}

bool has_text_sink(const std::vector<BoundPlugin>& sinks) {
  return std::ranges::any_of(sinks,
                             [](const BoundPlugin& sink) { return sink.plugin->name == std::string_view("text"); });
}

void run(Composition& composition, const Configuration& configuration, Ranks& ranks) {
  watch_interrupts();
  if (!composition.tokenizer() && has_text_sink(composition.choice().sinks))
    log_warning("sink text: nothing to print without a tokenizer; --sink tokens prints token ids");
  ManifestFile file(ranks.is_root() ? configuration.values().text("manifest") : "");
  check_memory(composition.choice().precision, composition.checkpoint(), composition.limits());
  composition.open();
  const Manifest manifest = composition.manifest();
  check_comparable(ranks, manifest, manifest.prompts);
  if (configuration.recorded())
    for (const std::string& difference :
         differences(*configuration.recorded(), manifest, composition.has_recorded_order()))
      log_warning(difference);
  // An interrupt throws between two steps. The sinks are then destroyed without end(), so nothing is left half-written.
  Progress progress("sequences", configuration.values().flag("quiet"), composition.choice().streams());
  const Summary summary = composition.run(manifest.to_json(), [&](int64_t done, int64_t total) {
    if (interrupted()) fail("interrupted, ", done, " of ", total, " sequences were done");
    progress.update(done, total);
  });
  file.publish(manifest.to_json());
  if (summary.cut > 0)
    log_warning(std::to_string(summary.cut) + " of " + std::to_string(summary.sequences) +
                " sequences ended where the model's context of " + std::to_string(composition.checkpoint().config().T) +
                " tokens is full, before all new tokens; --context-shift -1 goes on with the last half of the context");
  log_info(summary_line(summary, composition));
}

// What these options make the program do, as messages name it.
std::string mode_of(const OptionValues& values) {
  if (values.flag("help")) return "--help";
  if (values.text("report") == "weights") return "--report weights";
  return values.flag("explain") ? "--explain" : "a run";
}

void start(std::vector<std::string> arguments, Ranks& ranks) {
  Configuration configuration(pipeline_options(), std::move(arguments));
  const OptionValues& values = configuration.values();
  set_quiet(values.flag("quiet"));
  check_mode(ranks, mode_of(values));
  const auto tell = [&](const std::string& text) { return ranks.is_root() ? print(text) : void(); };
  PluginHost host = plugin_host(configuration);
  if (values.flag("help")) return tell(help(host, configuration));
  Selection choice = choose(host, configuration);
  warn_unused_device(configuration, {&choice.precision, 1});
  if (values.text("report") == "weights") {
    if (configuration.layer("patch") == Layer::command_line)
      usage_error(configuration.origin("patch"), ": not beside --report weights, which runs no prompt");
    return tell(weight_report(choice));
  }
  Composition composition(host, configuration, std::move(choice), &ranks);
  if (values.flag("explain")) return tell(explain(composition));
  run(composition, configuration, ranks);
}

}  // namespace
}  // namespace gpt2run

int main(int count, char** arguments) {
  return gpt2run::run_ranks("gpt2run", count, arguments, [](std::vector<std::string> given, gpt2run::Ranks& ranks) {
    try {
      gpt2run::start(std::move(given), ranks);
      return 0;
    } catch (const std::bad_alloc&) {
      gpt2run::fail("not enough memory; --explain prints what is needed");
    }
  });
}
