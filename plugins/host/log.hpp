// The program's log: one line per message on standard error, so that standard output carries only results. Thread-safe.
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace gpt2run {

void log_debug(std::string_view message);  // shown only when the environment variable GPT2RUN_DEBUG is set
void log_info(std::string_view message);
void log_warning(std::string_view message);
void log_error(std::string_view message);

// Shows a status line on a terminal, which the next status or message replaces. "" removes it.
void log_status(std::string_view line);

// Sets the name that lines begin with, which is "gpt2run" by default. To be called before other threads are started.
void set_program(const std::string& name);
const std::string& program_name();

// With true, only warnings and errors are shown.
void set_quiet(bool quiet);

// With true, each message is shown only once from now on. This is for programs that do similar things many times.
void set_once(bool once);

// Receives every message in place of standard error. level: 0 debug, 1 info, 2 warning, 3 error. It is called by one
// thread at a time, must not log itself, and does not throw.
using LogReceiver = std::function<void(int level, const std::string& message)>;

// Sets the receiver, for a library that is loaded into a program of others and must not print. set_quiet(), set_once()
// and set_silent() do not concern it. An empty one ends it.
void set_log_receiver(LogReceiver receiver);

// With true, nothing is shown from now on, because another process reports. With false, warnings and errors are shown
// again.
void set_silent(bool silent);

}  // namespace gpt2run
