// The handlers use only what is allowed inside a signal handler: write(), raise(), and what keep_interrupt() does.
#include "common/program/crash_report.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "common/program/interrupt.hpp"
#include "common/program/plugin_code.hpp"
#include "common/program/signal_line.hpp"
#include "common/program/temporaries.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr unsigned kPatience = 4;  // seconds

// The lines that the handlers write. They do not change while the handlers are installed.
std::string opening, crashed, waiting, ended;  // opening: the file

std::atomic<pid_t> unfinished = 0;     // the process inside a NoSilentEnd
std::atomic<pid_t> finished = 0;       // the process that has left one
std::atomic<bool> is_opening = false;  // inside a CrashReport

void say(const std::string& line) {
  const int before = errno;
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
  errno = before;
}

// The beginning of the lines that a NoSilentEnd writes. It is read until the end of the process, after the destructors
// of other static objects.
std::array<char, 64> error_prefix;

void report_and_end(int signal) {
  say(crashed);
  remove_temporaries();
  raise(signal);  // the default action, as soon as this handler returns
}

void report_and_wait(int) {
  say(waiting);
  keep_interrupt();
}

void say_ended(const char* plugin) {
  if (is_opening) return say(ended);
  SignalLine line;
  line.add(error_prefix.data()).add(plugin ? plugin : "a plugin").add(plugin ? ":" : "");
  line.add(" ended the program before its work was done").say();
}

// Called by exit(). Flushes what was printed before, since end_process() would drop it.
void refuse_exit() {
  if (unfinished != getpid()) return;
  std::fflush(nullptr);
  say_ended(plugin_on_stack(__builtin_frame_address(0)));
  remove_temporaries();
  end_process(1);
}

// The signals of a crash, and what the process did at them before the NoSilentEnd.
constexpr std::pair<int, const char*> kFaults[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}, {SIGFPE, "SIGFPE"}, {SIGABRT, "SIGABRT"}};
struct sigaction faults_before[std::size(kFaults)];
std::terminate_handler terminate_before;

void restore_faults() {
  for (size_t i = 0; i < std::size(kFaults); ++i) sigaction(kFaults[i].first, &faults_before[i], nullptr);
}

void name_and_end(int signal, siginfo_t* why, void* context) {
  // Where several threads fault at once, the first one tells, and ends the process for all.
  static std::atomic_flag is_told = ATOMIC_FLAG_INIT;
  while (is_told.test_and_set()) pause();
  const char* name = "";
  for (const auto& [number, text] : kFaults)
    if (number == signal) name = text;
  SignalLine line;
  line.add(error_prefix.data());
  if (const char* plugin = interrupted_plugin(context))
    line.add(plugin).add(": crashed while its code was running (").add(name).add(")");
  else
    line.add("crashed (").add(name).add(") outside of the code of plugins; open are: ").add(noted_plugins());
  if (finished == getpid()) line.add(" after the program's work was done");
  if (unfinished == getpid() || finished == getpid()) line.say();
  remove_temporaries();
  restore_faults();
  // The instruction that faulted is run again when this returns; a signal that was sent is sent again.
  if (why->si_code <= 0) raise(signal);
}

// Memory that has run out has a handler of its own (program.cpp).
bool is_out_of_memory() {
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
  } catch (const std::bad_alloc&) {
    return true;
  } catch (...) {  // is named below
  }
  return false;
}

// What was thrown, for a line.
std::string text_of_exception() {
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
  } catch (const std::exception& error) {
    return printable(error.what(), 1000);
  } catch (...) {
    return "something that is no std::exception";
  }
  return "none";
}

void name_and_abort() {
  if (is_out_of_memory() && terminate_before) terminate_before();
  restore_faults();
  const char* plugin = is_opening ? opening.c_str() : plugin_on_stack(__builtin_frame_address(0));
  SignalLine line;
  line.add(error_prefix.data()).add(plugin ? plugin : "").add(plugin ? ": " : "");
  line.add("an exception that nothing caught: ").add(text_of_exception().c_str()).say();
  remove_temporaries();
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

// A crash because the stack is full needs another one for the handler.
alignas(16) std::array<char, 1 << 16> other_stack;

}  // namespace

CrashReport::CrashReport(const std::filesystem::path& file, const std::string& done) : file_(file) {
  const std::string name = opening = printable(file.string());
  crashed = program_name() + ": error: " + name + ": crashed when it was " + done + "\n";
  waiting = program_name() + ": warning: " + name + ": is still being " + done + " after " + std::to_string(kPatience) +
            " seconds\n";
  ended = program_name() + ": error: " + name + ": ended the program when it was " + done + "\n";
  is_opening = true;
  alarm_before_ = alarm(0);
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    struct sigaction action {};
    action.sa_handler = kSignals[i] == SIGALRM ? report_and_wait : report_and_end;
    action.sa_flags = SA_ONSTACK | (kSignals[i] == SIGALRM ? SA_RESTART : static_cast<int>(SA_RESETHAND));
    sigaction(kSignals[i], &action, &before_[i]);
  }
  alarm(kPatience);
}

CrashReport::~CrashReport() {
  alarm(0);
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  alarm(alarm_before_);
  keep_interrupt();
  try {
    note_code(file_);
  } catch (const std::bad_alloc&) {  // the lines then name no plugin
  }
  is_opening = false;
}

std::shared_ptr<void> report_crashes(const std::filesystem::path& file, const std::string& done) {
  if (is_opening) return nullptr;
  return std::make_shared<CrashReport>(file, done);
}

NoSilentEnd::NoSilentEnd() {
  static const bool is_registered = std::atexit(refuse_exit) == 0 && std::at_quick_exit(refuse_exit) == 0;
  if (!is_registered) fail("not enough memory to watch for an early exit");
  unfinished = getpid();
  std::snprintf(error_prefix.data(), error_prefix.size(), "%s: error: ", program_name().c_str());
  terminate_before = std::set_terminate(name_and_abort);
  if (finished.exchange(0) == getpid()) return;  // the handlers are still there
  const stack_t stack{other_stack.data(), 0, other_stack.size()};
  sigaltstack(&stack, nullptr);
  for (size_t i = 0; i < std::size(kFaults); ++i) {
    struct sigaction action {};
    action.sa_sigaction = name_and_end;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(kFaults[i].first, &action, &faults_before[i]);
  }
}

NoSilentEnd::~NoSilentEnd() {
  std::set_terminate(terminate_before);
  finished = getpid();
  unfinished = 0;
}

// _exit() is not called, because it is refused here.
void end_process(int code) {
  while (true) syscall(SYS_exit_group, code);
}

void end_by_exit(int code) {
  if (unfinished == getpid()) {
    const char* plugin = plugin_on_stack(__builtin_frame_address(0));
    if (plugin || is_opening) say_ended(plugin), remove_temporaries(), code = 1;
  }
  end_process(code);
}

}  // namespace gpt2run
