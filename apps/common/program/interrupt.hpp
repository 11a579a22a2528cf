// What a program does when it is asked to end (kEndingSignals). A long run checks a global flag between two steps and
// ends with an error, so that its unfinished files are removed. Where there is nothing to finish yet, or the run does
// not come to the end of a step, the process ends by the signal. Its temporary files are removed then, too.
#pragma once

#include <csignal>

namespace gpt2run {

// The signals that ask a program to end: Ctrl-C, kill, and a terminal that is closed.
inline constexpr int kEndingSignals[] = {SIGINT, SIGTERM, SIGHUP};

// Lets each of the signals end the process at once: temporary files are removed, and the line "NAME: error:
// interrupted" is written. name: of the program, whose text stays where it is; null for no line. A signal that the
// parent process has set to be ignored stays ignored, here and below.
void end_at_interrupts(const char* name);

// Lets the first signal set the flag. The process ends by that signal if it is still there after `seconds`, and at once
// by a second one.
void watch_interrupts(int seconds = 5);

bool interrupted();

// To be called by code that gives SIGALRM back after using it, also in a handler of it. After an interrupt, an alarm
// every second breaks off system calls that block, and ends the process at last; this call starts it again if the
// interrupt came in the meantime.
void keep_interrupt();

}  // namespace gpt2run
