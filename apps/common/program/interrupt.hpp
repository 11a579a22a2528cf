// A wish to end (Ctrl-C, SIGTERM) that a long run looks at between two steps, so that it ends as an error does: its
// files are taken back.
#pragma once

namespace gpt2run {

// The first signal is noted, a second one ends the process at once. One that whoever started the program wants ignored
// stays ignored.
void watch_interrupts();

bool interrupted();

// For whoever had SIGALRM for himself: an interrupt of that time ends the waits that come.
void keep_interrupt();

}  // namespace gpt2run
