// Takes the lines of the log before they are written to standard error, for a program whose threads must not wait
// there.
#pragma once
#include <functional>
#include <string>

namespace gpt2run {

// Writes a line, which ends with a line end, and with the program's name before it. It is called by one thread at a
// time, must not log itself, and does not throw.
using LogWriter = std::function<void(std::string line)>;

// Sets the writer. Lines that are not shown, because of set_quiet() or the like, do not reach it. An empty one gives
// the lines back to standard error.
void set_log_writer(LogWriter writer);

}  // namespace gpt2run
