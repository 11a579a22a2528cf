// The frame of main() for programs that can run on several ranks.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "common/ranks/ranks.hpp"

namespace gpt2run {

// As run_main(), but the ranks are joined before `work` is called and finished after it. Only rank 0 logs, and an error
// is reported once. If the ranks could not be joined, each process reports its own error.
int run_ranks(const char* name, int count, char** arguments,
              const std::function<int(std::vector<std::string>, Ranks& ranks)>& work);

}  // namespace gpt2run
