// gpt2compare: what a number type, or anything else that computes, does to a model. A reference and tests run on the
// same tokens; results go to standard output, everything else to standard error. Exit codes: 0 done, 3 a condition of
// --fail-if is met, 2 the command line cannot be meant, 1 everything else.

#include <sys/ioctl.h>
#include <unistd.h>

#include "gpt2compare/conditions.hpp"
#include "gpt2compare/options.hpp"
#include "gpt2compare/study.hpp"
#include "gpt2run/output_file.hpp"
#include "host/interrupt.hpp"
#include "host/log.hpp"
#include "host/program.hpp"

namespace gpt2run {
namespace {

constexpr int kConditionMet = 3;

int width_of_output() {
  constexpr int kDefault = 100;
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kDefault;
}

void report(const Study& study, const OptionValues& values) {
  const std::string json(values.text("json"));
  if (json == "-") return print(to_json(study.comparison()));
  if (!json.empty()) {
    OutputFile file(json);
    file.write(to_json(study.comparison()));
    file.publish();
  }
  const Comparison& found = study.comparison();
  print(study.continuations(width_of_output()) + "compared on " + std::to_string(found.targets) + " targets in " +
        std::to_string(found.texts.size()) + (found.texts.size() == 1 ? " text\n\n" : " texts\n\n") +
        (values.flag("full") ? to_full_table(found) : to_table(found)));
}

int start(std::vector<std::string> arguments) {
  Configuration configuration(compare_options(), std::move(arguments));
  const OptionValues& values = configuration.values();
  set_quiet(values.flag("quiet"));
  if (values.flag("help")) {
    print("usage: gpt2compare [--ref PRECISION] [--test PRECISION,...] --prompt TEXT [options]\n\n" +
          help_of(configuration.core()));
    return 0;
  }
  const std::vector<Condition> conditions = parse_conditions(values.text("fail_if"));
  const std::string json(values.text("json"));
  if (!json.empty() && json != "-") OutputFile taken(json);  // one that cannot be written is known before the work
  const std::vector<std::string>& folders = configuration.list("plugin_dir");
  PluginHost host({folders.begin(), folders.end()});
  watch_interrupts();
  Study study(host, configuration);
  study.run();
  report(study, values);
  int code = 0;
  for (const TestResult& test : study.comparison().tests)
    for (const std::string& line : failures_of(conditions, test.series)) {
      log_warning(line);
      code = kConditionMet;
    }
  return code;
}

}  // namespace
}  // namespace gpt2run

int main(int count, char** arguments) { return gpt2run::run_main("gpt2compare", count, arguments, gpt2run::start); }
