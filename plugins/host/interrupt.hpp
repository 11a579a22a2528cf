// A wish to end (Ctrl-C, SIGTERM) that a long run looks at between two steps, so that it ends as an error does: its
// files are taken back.
#pragma once
#include "host/ranks.hpp"

namespace gpt2run {

// The first signal is noted, a second one ends the process at once. One that whoever started the program wants ignored
// stays ignored.
void watch_interrupts();

bool interrupted();

// For whoever had SIGALRM for himself: an interrupt of that time ends the waits that come.
void keep_interrupt();

// What long work of several ranks calls between two steps: throws Error "interrupted" with the parts behind it after an
// interrupt, and as ranks.check() when another rank has failed.
template <class... Parts>
void end_if_asked(Ranks& ranks, const Parts&... how_far) {
  if (interrupted()) fail("interrupted", how_far...);
  ranks.check();
}

}  // namespace gpt2run
