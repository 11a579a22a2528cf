// What stands around the work of every program: one line for whatever goes wrong, and an exit code that tells why.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

// The whole of main(): gives the exit code of work, 2 for a UsageError and 1 for any other exception, whose text is one
// line on standard error, "NAME: error: ...". Before work is called standard files that were closed are occupied, and a
// closed pipe and a file that may not grow are made errors of write(). work: gets what stands behind the program's
// name.
int run_main(const std::string& name, int count, char** arguments,
             const std::function<int(std::vector<std::string>)>& work);

// To standard output. Throws Error.
void print(std::string_view text);

}  // namespace gpt2run
