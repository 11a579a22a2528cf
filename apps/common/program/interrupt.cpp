// The handlers are installed without SA_RESTART, so that a signal breaks off a system call that blocks. After an
// interrupt an alarm every second breaks off later ones too. They use only what is allowed inside a signal handler. The
// line of work that is not broken off names the plugin whose code the handler interrupted, as far as that can be told.
#include "common/program/interrupt.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>

#include "common/program/plugin_code.hpp"
#include "common/program/signal_line.hpp"
#include "common/program/temporaries.hpp"

namespace gpt2run {
namespace {

const char* program = nullptr;  // of the lines; null for none
volatile std::sig_atomic_t noted = 0;
int first_signal = 0;
int patience = 0;  // seconds
time_t deadline = 0;

void watch(int signal, void (*handler)(int)) {
  struct sigaction action {
  }, before{};
  action.sa_handler = handler;
  sigaction(signal, &action, &before);
  if (before.sa_handler == SIG_IGN) sigaction(signal, &before, nullptr);
}

time_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec;
}

void say(const char* text, const char* where) {
  if (program)
    SignalLine().add(program).add(": error: ").add(text).add(where ? ", in " : "").add(where ? where : "").say();
}

// Ends the process by the signal, whose default action follows when the handler returns. where: for the line, or null.
void end_by(int signal, const char* text, const char* where = nullptr) {
  const int before = errno;
  remove_temporaries();
  say(text, where);
  std::signal(signal, SIG_DFL);
  raise(signal);
  errno = before;
}

void on_signal_to_end(int signal) { end_by(signal, "interrupted"); }

// One signal is not enough: a system call may begin to block just after it, before the flag is checked again. So the
// alarm repeats every second.
void on_alarm(int, siginfo_t*, void* context) {
  alarm(1);
  if (now() >= deadline)
    end_by(first_signal, "interrupted, and ended before the work could be broken off", interrupted_plugin(context));
}

// Unlike the others this signal must arrive, whatever the parent process has set.
void wake_from_now_on() {
  struct sigaction action {};
  action.sa_sigaction = on_alarm;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGALRM, &action, nullptr);
  sigset_t alone;
  sigemptyset(&alone);
  sigaddset(&alone, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &alone, nullptr);
  alarm(1);
}

// Sets the flag. From here on each of the signals ends the process.
void on_first_signal(int signal) {
  deadline = now() + patience;
  first_signal = signal;
  noted = 1;
  for (const int one : kEndingSignals) {
    struct sigaction current {};
    sigaction(one, nullptr, &current);
    if (current.sa_handler == on_first_signal) std::signal(one, on_signal_to_end);
  }
  wake_from_now_on();
}

}  // namespace

void end_at_interrupts(const char* name) {
  program = name;
  for (const int signal : kEndingSignals) watch(signal, on_signal_to_end);
}

void watch_interrupts(int seconds) {
  patience = seconds;
  for (const int signal : kEndingSignals) watch(signal, on_first_signal);
}

bool interrupted() { return noted != 0; }

void keep_interrupt() {
  if (interrupted()) wake_from_now_on();
}

}  // namespace gpt2run
