// The application's log: one line a message on stderr, so that stdout carries results only. Thread-safe.
#pragma once
#include <string>
#include <string_view>

namespace gpt2run {

void log_debug(std::string_view message);  // shown only when the environment variable GPT2RUN_DEBUG is set
void log_info(std::string_view message);
void log_warning(std::string_view message);
void log_error(std::string_view message);

// For a terminal: a line that the next status or message replaces; "": none.
void log_status(std::string_view line);

// What lines begin with; else gpt2run. Before other threads are.
void set_program(const std::string& name);
const std::string& program_name();

// true: only warnings and errors are shown.
void set_quiet(bool quiet);

// true: a message that was shown since is not shown again. For a program that does alike things many times.
void set_once(bool once);

// true: nothing is shown from now on, another process speaks; false: warnings and errors are shown again.
void set_silent(bool silent);

}  // namespace gpt2run
