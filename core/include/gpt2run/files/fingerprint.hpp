// A 64-bit hash of bytes and of files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace gpt2run {

// A 64-bit FNV-1a hash. It distinguishes two builds of a file, but it does not protect against tampering.
struct Fingerprint {
  uint64_t value = 0xcbf29ce484222325u;
  void add(const void* bytes, size_t count);
  std::string hex() const;
};

// The hash of a file's content. Throws Error when it cannot be read.
std::string hash_of_file(const std::filesystem::path& path);

}  // namespace gpt2run
