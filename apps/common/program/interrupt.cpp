// Signals become a flag. A call that waits ends by one (no SA_RESTART), and so does the next one, by the alarm.
#include "common/program/interrupt.hpp"

#include <unistd.h>

#include <csignal>
#include <initializer_list>

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

// A wait may have begun between the signal and a look at the flag, or begin after it.
void wake(int) { alarm(1); }

void wake_from_now_on() {
  watch(SIGALRM, wake);
  wake(SIGALRM);
}

// From here on either signal ends the process at once.
void note(int) {
  noted = 1;
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction now {};
    sigaction(signal, nullptr, &now);
    if (now.sa_handler == note) std::signal(signal, SIG_DFL);
  }
  wake_from_now_on();
}

}  // namespace

void watch_interrupts() {
  watch(SIGINT, note);
  watch(SIGTERM, note);
}

bool interrupted() { return noted != 0; }

void keep_interrupt() {
  if (interrupted()) wake_from_now_on();
}

}  // namespace gpt2run
