// Who started this process: what a launcher such as mpirun says in the environment. Nothing is opened for it.
#pragma once
#include <string>

namespace gpt2run {

// size: 0 where the launcher does not tell it; variable: the one that was found, "" without a launcher.
struct Launch {
  std::string variable;
  int rank = 0, size = 1;
};
Launch launched();

}  // namespace gpt2run
