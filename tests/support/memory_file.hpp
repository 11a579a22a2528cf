// A file in memory, for tests that write one again and again: on a disk that would take longer than all else.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

namespace gpt2run::test {

class MemoryFile {
 public:
  MemoryFile() : file_(memfd_create("gpt2run-test", MFD_CLOEXEC)) {
    if (file_ < 0) throw std::runtime_error("memfd_create failed");
  }
  ~MemoryFile() { close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // A path that this process can open; links may lead there.
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

  // Makes these bytes the whole file.
  void write(const std::string& bytes) const {
    const auto size = static_cast<ssize_t>(bytes.size());
    if (ftruncate(file_, size) != 0 || pwrite(file_, bytes.data(), bytes.size(), 0) != size)
      throw std::runtime_error("a file in memory cannot be written");
  }

 private:
  int file_;
};

}  // namespace gpt2run::test
