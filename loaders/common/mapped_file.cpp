// Maps files for reading.
#include "mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::loaders {
namespace {

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
};

}  // namespace

MappedFile::MappedFile(const std::string& path, bool is_whole) : path_(path) {
  // With O_NONBLOCK, opening a named pipe does not wait for a writer.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) {
    const int reason = errno;
    std::error_code ignored;
    const std::filesystem::path link = std::filesystem::read_symlink(path, ignored);
    if (reason == ENOENT && !link.empty())
      fail(path, ": expected a readable file, found a link to nothing (", printable(link.string(), 100),
           "): download it again, or copy the files that the links name");
    fail(path, ": expected a readable file: ", std::strerror(reason));
  }
  struct stat status {};
  if (fstat(file.number, &status) != 0) fail(path, ": expected a readable file: ", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail(path, ": expected a regular file, found a folder, pipe or device");
  if (status.st_size == 0) fail(path, ": expected content, found an empty file");
  size_ = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (data == MAP_FAILED) fail(path, ": ", size_, " bytes cannot be mapped: ", std::strerror(errno));
  data_ = static_cast<const char*>(data);
  if (is_whole) prefetch(bytes());
}

void MappedFile::prefetch(std::span<const char> part) const {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t begin = static_cast<size_t>(part.data() - data_) / page * page;
  const size_t end = static_cast<size_t>(part.data() - data_) + part.size();
  madvise(const_cast<char*>(data_) + begin, end - begin, MADV_WILLNEED);
}

void MappedFile::release(std::span<const char> part) const {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t begin = (static_cast<size_t>(part.data() - data_) + page - 1) / page * page;
  const size_t end = (static_cast<size_t>(part.data() - data_) + part.size()) / page * page;
  if (begin < end) madvise(const_cast<char*>(data_) + begin, end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<char*>(data_), size_);
}

}  // namespace gpt2run::loaders
