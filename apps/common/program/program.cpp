// Signals, standard files and exceptions of a program's main().
#include "common/program/program.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "common/program/crash_report.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/launch.hpp"
#include "gpt2run/files/standard_files.hpp"
#include "gpt2run/sdk/output_file.hpp"
#include "host/log.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

constinit const char* commit_of_build = "unknown";  // set before main()

// The line of an error. A system call that was broken off by the user's own signal is no fault of a file: the line says
// that the run was interrupted, and what it waited for.
std::string line_of(const std::exception& error) {
  const std::string line = error.what(), broken_off = std::string(": ") + std::strerror(EINTR);
  if (!interrupted() || !line.ends_with(broken_off)) return line;
  return "interrupted: " + line.substr(0, line.size() - broken_off.size());
}

}  // namespace

int run_guarded(const std::string& name, const std::function<int()>& work,
                const std::function<void(const std::string& line)>& report) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  if (!occupy_standard_files()) return 1;
  set_program(name);
  try {
    return work();
  } catch (const UsageError& error) {
    return report(line_of(error)), 2;
  } catch (const std::bad_alloc&) {
    return report("not enough memory"), 1;
  } catch (const std::exception& error) {
    return report(line_of(error)), 1;
  } catch (...) {
    return report("a plugin threw something that is no std::exception"), 1;
  }
}

bool asks_for_version(const std::vector<std::string>& arguments) {
  const auto end = std::ranges::find(arguments, "--");
  return std::find(arguments.begin(), end, "--version") != end;
}

int print_version(const std::string& name) {
  return print(name + " " GPT2RUN_VERSION " (commit " + commit_of_build + ")\n"), 0;
}

void set_commit(const char* commit) { commit_of_build = commit; }

int run_main(const std::string& name, int count, char** arguments,
             const std::function<int(std::vector<std::string>)>& work) {
  return run_guarded(
      name,
      [&] {
        if (const Launch launch = launched(); launch.size > 1)
          fail(name, " does not share its work among ranks: start it once, found rank ", launch.rank, " of ",
               launch.size, " (", launch.variable, ")");
        const NoSilentEnd whole;
        std::vector<std::string> given(arguments + (count > 0), arguments + count);
        return asks_for_version(given) ? print_version(name) : work(std::move(given));
      },
      log_error);
}

void print(std::string_view text) { write_all(STDOUT_FILENO, text, "standard output"); }

}  // namespace gpt2run

// These take the place of the C library's functions, also for the plugins that the program opens: one that ends the
// process by them would leave the exit code 0 and no line.
extern "C" void _exit(int code) { gpt2run::end_by_exit(code); }
extern "C" void _Exit(int code) { gpt2run::end_by_exit(code); }
