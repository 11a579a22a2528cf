// What a process would do at every signal, and when its alarm rings, as a text that two moments are compared by.
#pragma once
#include <sys/time.h>

#include <csignal>
#include <sstream>
#include <string>

namespace gpt2run::test {

// The variables of the environment in which plugin_signals.cpp leaves the state that it has seen.
inline constexpr char kSeenWhenOpened[] = "GPT2RUN_TEST_SIGNALS_OPENED";
inline constexpr char kSeenInProbe[] = "GPT2RUN_TEST_SIGNALS_PROBE";
inline constexpr char kSeenInCreate[] = "GPT2RUN_TEST_SIGNALS_CREATE";

// Seconds of the alarm are rounded to hundreds, so that one that nobody has touched looks the same a moment later. The
// C library adds a flag of its own (SA_RESTORER) when a disposition is put back, which changes nothing.
inline std::string signal_state() {
  constexpr int kRestorer = 0x04000000;
  std::ostringstream state;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) != 0) continue;
    state << signal << ": " << reinterpret_cast<const void*>(action.sa_handler) << ' ' << (action.sa_flags & ~kRestorer)
          << '\n';
  }
  itimerval timer{};
  getitimer(ITIMER_REAL, &timer);
  state << "alarm: " << (timer.it_value.tv_sec + 50) / 100 << "00 s\n";
  return state.str();
}

}  // namespace gpt2run::test
