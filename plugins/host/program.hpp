// What stands around the work of every program: one line for whatever goes wrong, and an exit code that tells why.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "host/ranks.hpp"

namespace gpt2run {

// The whole of main(): gives the exit code of work, 2 for a UsageError and 1 for any other exception, whose text is one
// line on standard error, "NAME: error: ..."; an exit() within work, by a plugin, is such a line too. Before work is
// called standard files that were closed are occupied, and a closed pipe and a file that may not grow are made errors
// of write(). Being one of several ranks is an error. With
// --version among the arguments, before "--", nothing but the version is printed. work: gets what stands behind the
// program's name.
int run_main(const std::string& name, int count, char** arguments,
             const std::function<int(std::vector<std::string>)>& work);

// The same for a program that several processes may run together, with their ranks joined before work is called and at
// their common end after it. Messages are those of rank 0, and the error's line is told once.
int run_ranks(const std::string& name, int count, char** arguments,
              const std::function<int(std::vector<std::string>, Ranks& ranks)>& work);

// To standard output. Throws Error.
void print(std::string_view text);

}  // namespace gpt2run
