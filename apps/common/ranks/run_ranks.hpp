// What stands around the work of a program that several processes may run together.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "common/ranks/ranks.hpp"

namespace gpt2run {

// As run_main(), with the ranks joined before work is called and at their common end after it. Messages are those of
// rank 0, and the error's line is told once; by each process where they could not be joined.
int run_ranks(const std::string& name, int count, char** arguments,
              const std::function<int(std::vector<std::string>, Ranks& ranks)>& work);

}  // namespace gpt2run
