// Whether a launcher such as mpirun started this process, and as which rank. Only environment variables are read.
#pragma once
#include <string>

namespace gpt2run {

// variable: the environment variable that was found, or "" without a launcher. size: the number of ranks, or 0 where
// the launcher does not tell it.
struct Launch {
  std::string variable;
  int rank = 0, size = 1;
};
Launch launched();

}  // namespace gpt2run
