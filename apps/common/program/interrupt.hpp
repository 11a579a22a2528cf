// A global flag for interrupts (kEndingSignals). A long run checks it between two steps and ends with an
// error, so that its unfinished files are removed.
#pragma once

#include <csignal>

namespace gpt2run {

// The signals that ask a program to end: Ctrl-C, kill, and a terminal that is closed.
inline constexpr int kEndingSignals[] = {SIGINT, SIGTERM, SIGHUP};

// Installs the handlers. The first signal sets the flag, the second ends the process at once. A signal that the parent
// process has set to be ignored stays ignored.
void watch_interrupts();

bool interrupted();

// To be called by code that gives SIGALRM back after using it. After an interrupt, an alarm every second breaks off
// system calls that block; this call starts it again if the interrupt came in the meantime.
void keep_interrupt();

}  // namespace gpt2run
