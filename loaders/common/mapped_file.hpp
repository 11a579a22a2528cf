// Files that are mapped into memory for reading.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace gpt2run::loaders {

// A mapped file. It is immutable after the constructor, so any thread may use it. If another program truncates the file
// while it is mapped, reading it ends the process with SIGBUS, as for every mapped file.
class MappedFile {
 public:
  // is_whole: nearly all of the file will be read, so the system should begin at once. Throws Error when the file does
  // not exist, is a link to nothing, is not a regular file, is empty, or cannot be mapped.
  explicit MappedFile(const std::string& path, bool is_whole = true);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const char> bytes() const { return {data_, size_}; }

  // Asks the system to begin reading a part of bytes(), which will be needed soon.
  void prefetch(std::span<const char> part) const;

  // Gives back the memory of the whole pages in a part of bytes(). Reading it again fetches them from the file.
  void release(std::span<const char> part) const;

 private:
  std::string path_;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace gpt2run::loaders
