// What stands around the work of every program: one line for whatever goes wrong, and an exit code that tells why.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

// The whole of main(): gives the exit code of work, 2 for a UsageError and 1 for any other exception, whose text is one
// line on standard error, "NAME: error: ..."; an exit() within work, by a plugin, is such a line too. Before work is
// called standard files that were closed are occupied, and a closed pipe and a file that may not grow are made errors
// of write(). Being one of several ranks is an error. With
// --version among the arguments, before "--", nothing but the version is printed. work: gets what stands behind the
// program's name.
int run_main(const std::string& name, int count, char** arguments,
             const std::function<int(std::vector<std::string>)>& work);

// What run_main() and run_ranks() share: the same guard around work, whose error's line goes to report.
int run_guarded(const std::string& name, const std::function<int()>& work,
                const std::function<void(const std::string& line)>& report);

// Whether --version stands among the arguments, before "--"; and its line to standard output. Throws Error.
bool asks_for_version(const std::vector<std::string>& arguments);
int print_version(const std::string& name);

// To standard output. Throws Error.
void print(std::string_view text);

}  // namespace gpt2run
