// Signals become a flag.
#include "host/interrupt.hpp"

#include <csignal>

namespace gpt2run {
namespace {

volatile std::sig_atomic_t noted = 0;

void note(int signal) {
  noted = 1;
  std::signal(signal, SIG_DFL);
}

void watch(int signal) {
  if (std::signal(signal, note) == SIG_IGN) std::signal(signal, SIG_IGN);
}

}  // namespace

void watch_interrupts() {
  watch(SIGINT);
  watch(SIGTERM);
}

bool interrupted() { return noted != 0; }

}  // namespace gpt2run
