// The files that packed weights were made from. They are told apart by what a look at them costs nothing to find: real
// path, device, inode, size, time of the last change, and the sum of the first bytes.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace gpt2run {

struct SourceFile {
  std::string path;  // with all links resolved
  uint64_t device, inode, size;
  int64_t mtime_ns;  // since 1970
  std::string head;  // SHA-256 of the first 64 KB, and of the whole header of a safetensors file
  bool operator==(const SourceFile&) const = default;
};

struct PackedSource {
  std::string model;              // the path that was opened, with all links resolved
  std::string loader;             // the name of the loader that opened it
  std::vector<SourceFile> files;  // its weights and settings, by path
  bool operator==(const PackedSource&) const = default;
};

// The paths of a model's weights and settings, in the order of their names. Empty for a model without files, such as a
// synthetic one.
std::vector<std::filesystem::path> source_files(const std::string& model);

// What there is now. Throws Error for a model without files, such as a synthetic one, and for a file that cannot be
// read.
PackedSource look_at_source(const std::string& model, const std::string& loader);

// What differs between the source as it was and as it is now, in a few words, or "".
std::string difference(const PackedSource& then, const PackedSource& now);

// SHA-256 of a whole file. between: called after every megabyte, may throw. Throws Error.
std::string sha256_of_file(const std::string& path, const std::function<void()>& between = {});

}  // namespace gpt2run
