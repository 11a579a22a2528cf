// Reads a file in blocks.
#include "file_bytes.hpp"

#include <fstream>

#include "gpt2run/error.hpp"

namespace gpt2run {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes;
  char block[65536];
  do {
    file.read(block, sizeof block);
    bytes.append(block, static_cast<size_t>(file.gcount()));
  } while (file);
  if (!file.is_open() || file.bad()) {
    fail(path.string(), ": expected a file that can be read, found ",
         std::filesystem::exists(path) ? "one that cannot" : "nothing");
  }
  return bytes;
}

}  // namespace gpt2run
