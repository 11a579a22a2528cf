// read(2) to the end, bounded.
#include "host/text_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "gpt2run/error.hpp"

namespace gpt2run {
namespace {

constexpr size_t kMost = size_t{1} << 28;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The file, closed when this goes.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  // -1: an error, in errno.
  ssize_t read(char* to, size_t size) const {
    ssize_t count = -1;
    do count = fd_ < 0 ? -1 : ::read(fd_, to, size);
    while (fd_ >= 0 && count < 0 && errno == EINTR);
    return count;
  }

 private:
  int fd_;
};

}  // namespace

std::string read_text(const std::string& path, const std::string& before) {
  const OpenFile file(path);
  std::string content, buffer(1 << 16, '\0');
  while (true) {
    const ssize_t count = file.read(buffer.data(), buffer.size());
    if (count < 0) fail(before, path, ": cannot be read: ", std::strerror(errno));
    if (count == 0) break;
    content.append(buffer, 0, static_cast<size_t>(count));
    if (content.size() > kMost) fail(before, path, ": expected at most ", kMost, " bytes, found more");
  }
  if (content.starts_with(kByteOrderMark)) content.erase(0, kByteOrderMark.size());
  return content;
}

}  // namespace gpt2run
