// Signals, standard files and exceptions of a program's main().
#include "common/program/program.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <new>

#include "common/program/crash_report.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/launch.hpp"
#include "common/program/signal_line.hpp"
#include "common/program/temporaries.hpp"
#include "gpt2run/files/standard_files.hpp"
#include "gpt2run/sdk/output_file.hpp"
#include "host/log.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

constinit const char* commit_of_build = "unknown";  // set before main()
const char* own_name = "gpt2run";
std::terminate_handler before_us = nullptr;

// The line for which nothing is allocated.
void say_no_memory() noexcept { SignalLine().add(own_name).add(": error: not enough memory").say(); }

// Memory may run out where no exception can pass: in a thread of a library, or in a function that promises not to
// throw.
void on_terminate() {
  if (abi::__cxa_current_exception_type()) {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      remove_temporaries();
      say_no_memory();
      end_process(1);
    } catch (...) {  // is the business of the handler before
    }
  }
  if (before_us) before_us();  // else the C++ library aborts
}

// The line of an error. A system call that was broken off by the user's own signal is no fault of a file: the line says
// that the run was interrupted, and what it waited for.
std::string line_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) return "not enough memory";
  const std::string line = error.what(), broken_off = std::string(": ") + std::strerror(EINTR);
  if (!interrupted() || !line.ends_with(broken_off)) return line;
  return "interrupted: " + line.substr(0, line.size() - broken_off.size());
}

}  // namespace

int run_guarded(const char* name, const std::function<int()>& work,
                const std::function<void(const std::string& line)>& report) {
  own_name = name;
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  end_at_interrupts(name);
  before_us = std::set_terminate(on_terminate);
  // Making the line may throw as well. The short one takes no memory.
  const auto tell = [&](const std::exception* error) {
    std::string line = "no memory";
    try {
      line = error ? line_of(*error) : "a plugin threw something that is no std::exception";
    } catch (const std::bad_alloc&) {
      // is what the short line says
    }
    report(line);
  };
  if (!occupy_standard_files()) return 1;
  try {
    set_program(name);
    return work();
  } catch (const UsageError& error) {
    return tell(&error), 2;
  } catch (const std::exception& error) {
    return tell(&error), 1;
  } catch (...) {
    return tell(nullptr), 1;
  }
}

void report_error(const std::string& line) noexcept {
  try {
    log_error(line);
  } catch (...) {
    say_no_memory();
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

int run_main(const char* name, int count, char** arguments, const std::function<int(std::vector<std::string>)>& work) {
  const auto work_here = [&] {
    if (const Launch launch = launched(); launch.size > 1)
      fail(name, " does not share its work among ranks: start it once, found rank ", launch.rank, " of ", launch.size,
           " (", launch.variable, ")");
    const NoSilentEnd whole;
    std::vector<std::string> given(arguments + (count > 0), arguments + count);
    return asks_for_version(given) ? print_version(name) : work(std::move(given));
  };
  return run_guarded(name, std::ref(work_here), report_error);  // a reference, for which no memory is taken
}

void print(std::string_view text) { write_all(STDOUT_FILENO, text, "standard output"); }

}  // namespace gpt2run

// These take the place of the C library's functions, also for the plugins that the program opens: one that ends the
// process by them would leave the exit code 0 and no line.
extern "C" void _exit(int code) { gpt2run::end_by_exit(code); }
extern "C" void _Exit(int code) { gpt2run::end_by_exit(code); }
