// The frame of every program's main(): each failure becomes one line on standard error and an exit code.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

// Runs `work` with the arguments after the program's name, and returns the exit code for main(): that of `work`, 2 for
// a UsageError, and 1 for any other exception. The exception's text is written to standard error as one line, "NAME:
// error: ...". An exit() inside `work`, by a plugin, is reported as an error too.
// Before `work` is called, closed standard files are occupied (gpt2run/files/standard_files.hpp), and SIGPIPE and
// SIGXFSZ are ignored, so that a closed pipe or a file size limit becomes an error of write(). Signals that ask the
// program to end do so at once, until `work` calls watch_interrupts(). Memory that runs out where no exception can pass
// is one line, too. With --version among the
// arguments before "--" only the version is printed. It is an error if a launcher started the program as one of several
// ranks; those programs use run_ranks().
int run_main(const char* name, int count, char** arguments, const std::function<int(std::vector<std::string>)>& work);

// The part that run_main() and run_ranks() share: signals, standard files, and the exit code for an exception of
// `work`. The line of the error goes to `report`, which does not throw. name: its text stays where it is until the
// process ends.
int run_guarded(const char* name, const std::function<int()>& work,
                const std::function<void(const std::string& line)>& report);

// Logs the line of an error. Where there is not even memory for that, a constant line says so.
void report_error(const std::string& line) noexcept;

// Whether --version is among the arguments, before "--".
bool asks_for_version(const std::vector<std::string>& arguments);
// Prints the line of --version to standard output, "NAME VERSION (commit COMMIT)", and returns exit code 0. Throws
// Error when it cannot be written.
int print_version(const std::string& name);
// Sets the commit that --version tells, "unknown" until then. Every program has a generated source file that calls it
// before main() (commit.cmake), so that only this file changes with a commit. commit: a text that lives on.
void set_commit(const char* commit);

// Writes text to standard output. Throws Error when it cannot be written.
void print(std::string_view text);

}  // namespace gpt2run
