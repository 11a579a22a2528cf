// A file mapped for reading. Immutable after the constructor: use it from any thread. If another program shortens the
// file while it is mapped, reading it ends the process (SIGBUS), as with every mapped file.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace gpt2run::loaders {

class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // throws Error: not there, not a regular file, empty, not mappable
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const char> bytes() const { return {data_, size_}; }

 private:
  std::string path_;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace gpt2run::loaders
