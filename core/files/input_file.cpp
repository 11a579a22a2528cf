// read(2) to the end, bounded.
#include "gpt2run/files/input_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "gpt2run/error.hpp"

namespace gpt2run {
namespace {

constexpr size_t kMost = size_t{1} << 28;
constexpr int kMomentForWriter = 500;  // milliseconds: a writer that is started beside us may come later

// Closed when this goes.
class OpenFile {
 public:
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  explicit OpenFile(const std::filesystem::path& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int fd() const { return fd_; }

 private:
  int fd_;
};

// Waits for bytes or for the other end to go; at most `milliseconds`, below 0 for ever. False, with errno: interrupted.
bool wait_for_bytes(int fd, int milliseconds) {
  pollfd wait{fd, POLLIN, 0};
  return poll(&wait, 1, milliseconds) >= 0;
}

// To the end. name: for messages. A fd below 0 is an error that errno tells.
std::string read_all(int fd, const std::string& name) {
  std::string content, buffer(1 << 16, '\0');
  while (true) {
    const ssize_t count = fd < 0 ? -1 : read(fd, buffer.data(), buffer.size());
    if (fd >= 0 && count < 0 && errno == EAGAIN && wait_for_bytes(fd, -1)) continue;
    if (count < 0) fail(name, " cannot be read: ", std::strerror(errno));
    if (count == 0) return content;
    content.append(buffer, 0, static_cast<size_t>(count));
    if (content.size() > kMost) fail(name, " expected at most ", kMost, " bytes, found more");
  }
}

bool is_pipe(int fd) {
  struct stat status;
  return fd >= 0 && fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

}  // namespace

std::string read_file(const std::filesystem::path& path, const std::string& before) {
  const OpenFile file(path);
  const std::string name = before + path.string() + ":";
  if (is_pipe(file.fd())) wait_for_bytes(file.fd(), kMomentForWriter);
  std::string content = read_all(file.fd(), name);
  if (content.empty() && is_pipe(file.fd())) fail(name, " expected content, found a pipe that nobody writes to");
  return content;
}

std::string read_standard_input(const std::string& before) { return read_all(STDIN_FILENO, before + "standard input"); }

}  // namespace gpt2run
