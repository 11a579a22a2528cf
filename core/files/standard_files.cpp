#include "gpt2run/files/standard_files.hpp"

#include <fcntl.h>

#include <utility>

namespace gpt2run {

// Each file is opened in the direction in which it will not be used, so that its use is an error.
bool occupy_standard_files() {
  for (const auto& [file, mode] : {std::pair{0, O_WRONLY}, {1, O_RDONLY}, {2, O_WRONLY}})
    if (fcntl(file, F_GETFD) == -1 && open("/dev/null", mode) != file) return false;
  return true;
}

}  // namespace gpt2run
