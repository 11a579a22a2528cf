// gpt2perplexity: measures the perplexity of texts under one or more precisions and a named protocol. The table goes to
// standard output, messages to standard error. Exit codes: 0 for success, 2 for a wrong command line, 1 for any other
// error.

#include "common/config/create.hpp"
#include "common/pipeline/run_files.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/program.hpp"
#include "common/program/progress.hpp"
#include "common/prompts/prompts.hpp"
#include "common/ranks/run_ranks.hpp"
#include "gpt2perplexity/plan.hpp"
#include "gpt2perplexity/report.hpp"
#include "gpt2run/sdk/output_file.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr const char* kPrecisions[] = {"precision"};

void measure(const Evaluation& evaluation, const Configuration& configuration, Ranks& ranks, Report& report) {
  const Resources resources = resources_of(configuration, ranks);
  const Work& work = *report.work;
  const int64_t total = work.rows(ranks) * std::ssize(evaluation.precisions());
  Progress progress("tokens", configuration.values().flag("quiet"));
  int64_t done = 0;
  std::vector<double> first;
  for (const BoundPlugin& precision : evaluation.precisions()) {
    std::vector<double> nll = nll_of(precision, evaluation.checkpoint(), work, resources, ranks, [&](int64_t rows) {
      end_if_asked(ranks, ", ", done, " of ", total, " tokens were done");
      progress.update(done += rows, total);
    });
    if (!ranks.is_root()) continue;
    report.results.push_back(result_of(instance_name(precision), nll, first.empty() ? nullptr : &first, report.bytes));
    if (first.empty()) first = std::move(nll);
  }
}

int start(std::vector<std::string> arguments, Ranks& ranks) {
  Configuration configuration(perplexity_options(), std::move(arguments));
  const OptionValues& values = configuration.values();
  set_quiet(values.flag("quiet"));
  if (values.flag("help")) {
    if (ranks.is_root())
      print("usage: gpt2perplexity --text FILE | --prompt TEXT | --prompts FILE [options]\n\n" +
            help_of(configuration.core()));
    return 0;
  }
  watch_interrupts();
  PluginHost host = plugin_host(configuration);
  const Evaluation evaluation(host, configuration, kPrecisions);
  const Rule rule = rule_of(configuration, evaluation.checkpoint().config());
  const std::string json(values.text("json"));
  check_output(host, configuration, evaluation.model(), evaluation.plugins(), {"--json", json});
  if (ranks.is_root()) check_writable(json);
  share_standard_input(ranks, configuration);
  Work work{texts_of(configuration, evaluation.tokenizer(), evaluation.checkpoint().config()), {}};
  prepare(rule, evaluation.checkpoint().config().end_of_text, work.texts);
  work.windows = windows_of(rule, work.texts);
  Report report{values.shown("protocol"), rule, evaluation.model(), &work, bytes_of(work, evaluation.tokenizer()), {}};
  const Manifest manifest = evaluation.manifest(recorded_options(configuration, evaluation, rule));
  check_comparable(ranks, manifest, work.texts);
  measure(evaluation, configuration, ranks, report);
  if (!ranks.is_root()) return 0;
  publish_results(
      json, [&] { return to_json(report, manifest); }, [&] { return to_table(report); });
  return 0;
}

}  // namespace
}  // namespace gpt2run

int main(int count, char** arguments) { return gpt2run::run_ranks("gpt2perplexity", count, arguments, gpt2run::start); }
