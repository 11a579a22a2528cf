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

// Closed when this goes.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int fd() const { return fd_; }

 private:
  int fd_;
};

// To the end. name: for messages. A fd below 0 is an error that errno tells.
std::string read_all(int fd, const std::string& name) {
  std::string content, buffer(1 << 16, '\0');
  while (true) {
    const ssize_t count = fd < 0 ? -1 : read(fd, buffer.data(), buffer.size());
    if (fd >= 0 && count < 0 && errno == EINTR) continue;
    if (count < 0) fail(name, " cannot be read: ", std::strerror(errno));
    if (count == 0) return content;
    content.append(buffer, 0, static_cast<size_t>(count));
    if (content.size() > kMost) fail(name, " expected at most ", kMost, " bytes, found more");
  }
}

}  // namespace

std::string read_text(const std::string& path, const std::string& before) {
  const OpenFile file(path);
  std::string content = read_all(file.fd(), before + path + ":");
  if (content.starts_with(kByteOrderMark)) content.erase(0, kByteOrderMark.size());
  return content;
}

std::string read_standard_input(const std::string& before) { return read_all(STDIN_FILENO, before + "standard input"); }

}  // namespace gpt2run
