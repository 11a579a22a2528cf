// gpt2compare: compares precisions, models or recorded logits with a reference on the same tokens. Results go to
// standard output, messages to standard error. Exit codes: 0 for success, 3 when a condition of --fail-if is met, 2 for
// a wrong command line, 1 for any other error.

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "common/config/create.hpp"
#include "common/pipeline/run_files.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/program.hpp"
#include "common/program/progress.hpp"
#include "common/ranks/run_ranks.hpp"
#include "gpt2compare/comparison_run.hpp"
#include "gpt2compare/conditions.hpp"
#include "gpt2compare/folders.hpp"
#include "gpt2compare/options.hpp"
#include "gpt2compare/patching.hpp"
#include "gpt2run/sdk/output_file.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr int kConditionMet = 3;

int width_of_output() {
  constexpr int kDefault = 100;
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kDefault;
}

std::string tables_of(const Comparison& found, const OptionValues& values) {
  const bool full = values.flag("full");
  std::string text = full ? to_full_table(found) : values.flag("formats") ? to_formats_table(found) : to_table(found);
  if (found.layers) text += (full ? to_table(*found.layers) : "") + to_lines(*found.layers);
  if (found.islands) text.append("\n").append(to_table(*found.islands));
  return text;
}

// Prints the tables, or writes the JSON. before: text to put above the tables.
void report(const Comparison& found, const std::string& before, const OptionValues& values) {
  const auto tables = [&] {
    return before + "compared on " + std::to_string(found.targets) + " targets in " +
           std::to_string(found.texts.size()) + (found.texts.size() == 1 ? " text\n\n" : " texts\n\n") +
           tables_of(found, values);
  };
  publish_results(
      std::string(values.text("json")), [&] { return to_json(found); }, tables);
}

int check_conditions(const Comparison& found, const std::vector<Condition>& conditions) {
  int code = 0;
  for (const TestResult& test : found.tests)
    for (const std::string& line : failures_of(conditions, test.series)) {
      log_warning(line);
      code = kConditionMet;
    }
  return code;
}

bool has_folders(Configuration& configuration) {
  const auto given = [&](const char* key) { return configuration.layer(key) != Layer::fallback; };
  const bool ref = given("ref_folder"), test = given("test_folder");
  if (ref != test) usage_error("--ref_folder and --test_folder: expected both or neither, found one");
  if (!ref && (given("ref_name") || given("test_name")))
    usage_error("--ref_name and --test_name: expected folders too");
  constexpr std::string_view kOfFolders[] = {"ref_folder", "test_folder", "ref_name", "test_name", "overlap", "full",
                                             "json",       "fail_if",     "quiet",    "config",    "help"};
  for (const CoreOption& option : configuration.core())
    if (ref && given(option.spec.key) && std::ranges::find(kOfFolders, option.spec.key) == std::end(kOfFolders))
      usage_error("--", option.spec.key, ": files are compared, nothing is computed");
  if (ref) configuration.bind({}, {});  // refuses options of plugins, since none is used
  return ref;
}

int compare_folders(const OptionValues& values, const std::vector<Condition>& conditions, Ranks& ranks) {
  const NamedPath read[] = {{"--ref_folder", values.text("ref_folder")}, {"--test_folder", values.text("test_folder")}};
  check_output({"--json", values.text("json")}, read);
  FolderComparison run({"--ref_folder", values.shown("ref_folder"), values.shown("ref_name")},
                       {"--test_folder", values.shown("test_folder"), values.shown("test_name")});
  Progress progress("sequences", values.flag("quiet"));
  run.run(static_cast<int32_t>(values.integer("overlap")), [&](int64_t done, int64_t total) {
    end_if_asked(ranks, ", ", done, " of ", total, " sequences were compared");
    progress.update(done, total);
  });
  report(run.comparison(), run.summary(), values);
  return check_conditions(run.comparison(), conditions);
}

// Whether patches are compared in place of precisions.
bool has_patches(const Configuration& configuration) {
  const auto given = [&](const char* key) { return configuration.layer(key) != Layer::fallback; };
  const bool patches = given("patch") || given("patch_sweep");
  if (!patches && given("answer")) usage_error("--answer: expected --patch or --patch_sweep too");
  constexpr std::string_view kOfComparisons[] = {
      "test",          "test_model", "max_new_tokens", "window",          "limit",    "overlap", "floor",
      "floor_targets", "layers",     "open",           "layer_threshold", "islands",  "full",    "formats",
      "fail_if",       "ref_folder", "test_folder",    "ref_name",        "test_name"};
  for (const CoreOption& option : configuration.core())
    if (patches && given(option.spec.key) &&
        std::ranges::find(kOfComparisons, option.spec.key) != std::end(kOfComparisons))
      usage_error("--", option.spec.key, ": not beside --patch, which compares --ref with itself");
  return patches;
}

int show_patches(PluginHost& host, Configuration& configuration, Ranks& ranks) {
  PatchingRun run(host, configuration, ranks);
  run.run();
  publish_results(
      std::string(configuration.values().text("json")), [&] { return to_json(run.result()); },
      [&] { return to_table(run.result(), width_of_output()); });
  return 0;
}

int start(std::vector<std::string> arguments, Ranks& ranks) {
  Configuration configuration(compare_options(), std::move(arguments));
  const OptionValues& values = configuration.values();
  set_quiet(values.flag("quiet"));
  if (values.flag("help")) {
    if (!ranks.is_root()) return 0;
    print("usage: gpt2compare [--ref PRECISION] [--test PRECISION,...] --prompt TEXT [options]\n\n" +
          help_of(configuration.core()));
    return 0;
  }
  const std::vector<Condition> conditions = parse_conditions(values.text("fail_if"));
  const std::string json(values.text("json"));
  if (ranks.is_root()) check_writable(json);
  watch_interrupts();
  const bool patches = has_patches(configuration);
  if (has_folders(configuration)) return ranks.is_root() ? compare_folders(values, conditions, ranks) : 0;
  PluginHost host = plugin_host(configuration);
  if (patches) return ranks.is_root() ? show_patches(host, configuration, ranks) : 0;
  ComparisonRun run(host, configuration, ranks);
  run.run();
  if (!ranks.is_root()) return 0;
  report(run.comparison(), run.continuations(width_of_output()), values);
  return check_conditions(run.comparison(), conditions);
}

}  // namespace
}  // namespace gpt2run

int main(int count, char** arguments) { return gpt2run::run_ranks("gpt2compare", count, arguments, gpt2run::start); }
