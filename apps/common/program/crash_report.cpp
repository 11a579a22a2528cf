// The handlers use only what is allowed inside a signal handler: write() and raise().
#include "common/program/crash_report.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "common/program/interrupt.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr unsigned kPatience = 4;  // seconds

// The lines that the handlers write. They do not change while the handlers are installed.
std::string crashed, waiting, ended;

std::atomic<pid_t> unfinished = 0;     // the process inside a NoExit
std::atomic<bool> is_opening = false;  // inside a CrashReport

void say(const std::string& line) {
  const int before = errno;
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
  errno = before;
}

void report_and_end(int signal) {
  say(crashed);
  raise(signal);  // the default action, as soon as this handler returns
}

void report_and_wait(int) { say(waiting); }

// Called by exit(). Flushes what was printed before, since _exit() would drop it.
void refuse_exit() {
  if (unfinished != getpid()) return;
  std::fflush(nullptr);
  say(is_opening ? ended : program_name() + ": error: a plugin ended the program before its work was done\n");
  _exit(1);
}

}  // namespace

CrashReport::CrashReport(const std::filesystem::path& file, const std::string& done) {
  const std::string name = printable(file.string());
  crashed = program_name() + ": error: " + name + ": crashed when it was " + done + "\n";
  waiting = program_name() + ": warning: " + name + ": is still being " + done + " after " + std::to_string(kPatience) +
            " seconds\n";
  ended = program_name() + ": error: " + name + ": ended the program when it was " + done + "\n";
  is_opening = true;
  alarm_before_ = alarm(0);
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    struct sigaction action {};
    action.sa_handler = kSignals[i] == SIGALRM ? report_and_wait : report_and_end;
    action.sa_flags = kSignals[i] == SIGALRM ? SA_RESTART : static_cast<int>(SA_RESETHAND);
    sigaction(kSignals[i], &action, &before_[i]);
  }
  alarm(kPatience);
}

CrashReport::~CrashReport() {
  alarm(0);
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  alarm(alarm_before_);
  keep_interrupt();
  is_opening = false;
}

std::shared_ptr<void> report_crashes(const std::filesystem::path& file, const std::string& done) {
  if (is_opening) return nullptr;
  return std::make_shared<CrashReport>(file, done);
}

NoExit::NoExit() {
  static const bool is_known = std::atexit(refuse_exit) == 0;
  if (is_known) unfinished = getpid();
}

NoExit::~NoExit() { unfinished = 0; }

}  // namespace gpt2run
