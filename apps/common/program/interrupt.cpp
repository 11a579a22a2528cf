// The handlers are installed without SA_RESTART, so that a signal breaks off a system call that blocks. After an
// interrupt an alarm every second breaks off later ones too.
#include "common/program/interrupt.hpp"

#include <unistd.h>

#include <csignal>

namespace gpt2run {
namespace {

volatile std::sig_atomic_t noted = 0;

void watch(int signal, void (*handler)(int)) {
  struct sigaction action {
  }, before{};
  action.sa_handler = handler;
  sigaction(signal, &action, &before);
  if (before.sa_handler == SIG_IGN) sigaction(signal, &before, nullptr);
}

// One signal is not enough: a system call may begin to block just after it, before the flag is checked again. So the
// alarm repeats every second.
void on_alarm(int) { alarm(1); }

void wake_from_now_on() {
  watch(SIGALRM, on_alarm);
  on_alarm(SIGALRM);
}

// Sets the flag. From here on each of the signals has its default action again and ends the process.
void on_ending_signal(int) {
  noted = 1;
  for (const int signal : kEndingSignals) {
    struct sigaction now {};
    sigaction(signal, nullptr, &now);
    if (now.sa_handler == on_ending_signal) std::signal(signal, SIG_DFL);
  }
  wake_from_now_on();
}

}  // namespace

void watch_interrupts() {
  for (const int signal : kEndingSignals) watch(signal, on_ending_signal);
}

bool interrupted() { return noted != 0; }

void keep_interrupt() {
  if (interrupted()) wake_from_now_on();
}

}  // namespace gpt2run
