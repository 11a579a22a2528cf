// The hash of bytes and of files.
#include "gpt2run/files/fingerprint.hpp"

#include <cstdio>
#include <vector>

#include "gpt2run/files/input_file.hpp"

namespace gpt2run {

void Fingerprint::add(const void* bytes, size_t count) {
  for (const auto* byte = static_cast<const unsigned char*>(bytes); count-- > 0; ++byte)
    value = (value ^ *byte) * 0x100000001b3u;
}

std::string Fingerprint::hex() const {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string hash_of_file(const std::filesystem::path& path) {
  InputFile file(path);
  Fingerprint print;
  std::vector<char> block(size_t{1} << 16);
  while (const size_t count = file.read(block.data(), block.size())) print.add(block.data(), count);
  return print.hex();
}

}  // namespace gpt2run
