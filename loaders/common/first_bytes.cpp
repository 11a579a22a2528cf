#include "first_bytes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gpt2run::loaders {

std::string first_bytes(const std::string& path, size_t most) {
  // With O_NONBLOCK, opening a named pipe does not wait for a writer.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return "";
  struct stat status {};
  std::string bytes(most, '\0');
  const bool regular = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  const ssize_t count = regular ? read(file, bytes.data(), most) : 0;
  bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
  close(file);
  return bytes;
}

}  // namespace gpt2run::loaders
