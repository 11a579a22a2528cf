// Signals, standard files and exceptions of a program.
#include "host/program.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <new>

#include "gpt2run/output_file.hpp"
#include "gpt2run/standard_files.hpp"
#include "host/interrupt.hpp"
#include "host/last_words.hpp"
#include "host/log.hpp"
#include "host/options.hpp"

namespace gpt2run {

namespace {

using Work = std::function<int()>;
using Report = std::function<void(const std::string& line)>;

int attempt(const std::string& name, const Work& work, const Report& report) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  if (!occupy_standard_files()) return 1;
  set_program(name);
  try {
    return work();
  } catch (const UsageError& error) {
    return report(error.what()), 2;
  } catch (const std::bad_alloc&) {
    return report("not enough memory"), 1;
  } catch (const std::exception& error) {
    return report(error.what()), 1;
  } catch (...) {
    return report("a plugin threw something that is no std::exception"), 1;
  }
}

std::vector<std::string> given(int count, char** arguments) { return {arguments + (count > 0), arguments + count}; }

bool asks_for_version(const std::vector<std::string>& arguments) {
  const auto end = std::ranges::find(arguments, "--");
  return std::find(arguments.begin(), end, "--version") != end;
}

int print_version(const std::string& name) { return print(name + " " GPT2RUN_VERSION "\n"), 0; }

}  // namespace

int run_main(const std::string& name, int count, char** arguments,
             const std::function<int(std::vector<std::string>)>& work) {
  return attempt(
      name,
      [&] {
        if (const Launch launch = launched(); launch.size > 1)
          fail(name, " shares no work out: start it once, found rank ", launch.rank, " of ", launch.size, " (",
               launch.variable, ")");
        const NoExit whole;
        return asks_for_version(given(count, arguments)) ? print_version(name) : work(given(count, arguments));
      },
      log_error);
}

int run_ranks(const std::string& name, int count, char** arguments,
              const std::function<int(std::vector<std::string>, Ranks& ranks)>& work) {
  Ranks ranks;
  // MPI may exit: when it begins or ends, or to give up.
  const auto work_here = [&] {
    const NoExit whole;
    return work(given(count, arguments), ranks);
  };
  const auto work_together = [&] {
    ranks.join();
    if (!ranks.speaks()) set_silent(true);
    const bool version = asks_for_version(given(count, arguments));
    const int code = !version ? work_here() : ranks.speaks() ? print_version(name) : 0;
    ranks.finish();
    return code;
  };
  const auto speak = [](const std::string& line) { set_silent(false), log_error(line); };
  return attempt(name, work_together, [&](const std::string& line) { ranks.give_up(line, speak, interrupted()); });
}

void print(std::string_view text) { write_all(STDOUT_FILENO, text, "standard output"); }

}  // namespace gpt2run
