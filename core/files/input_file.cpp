// Reads files with read(2), up to a limit.
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
constexpr int kMomentForWriter = 500;  // milliseconds that a writer started at the same time has to open its end

// Waits until there are bytes or the other end is closed, but at most `milliseconds`; a negative number waits without
// limit. Returns false, with errno set, if a signal interrupted the wait.
bool wait_for_bytes(int fd, int milliseconds) {
  pollfd wait{fd, POLLIN, 0};
  return poll(&wait, 1, milliseconds) >= 0;
}

// Reads up to `most` bytes and returns their number, 0 at the end. name: for messages.
size_t read_some(int fd, const std::string& name, char* to, size_t most) {
  while (true) {
    const ssize_t count = read(fd, to, most);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EAGAIN || !wait_for_bytes(fd, -1)) fail(name, " cannot be read: ", std::strerror(errno));
  }
}

std::string read_all(int fd, const std::string& name) {
  std::string content, buffer(1 << 16, '\0');
  while (const size_t count = read_some(fd, name, buffer.data(), buffer.size())) {
    content.append(buffer, 0, count);
    if (content.size() > kMost) fail(name, " expected at most ", kMost, " bytes, found more");
  }
  return content;
}

bool is_pipe(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

}  // namespace

// O_NONBLOCK, because opening a pipe would wait for a writer otherwise.
InputFile::InputFile(const std::filesystem::path& path, const std::string& before)
    : name_(before + path.string() + ":"), fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (fd_ < 0) fail(name_, " cannot be read: ", std::strerror(errno));
}

InputFile::~InputFile() { close(fd_); }

size_t InputFile::read(char* to, size_t most) { return read_some(fd_, name_, to, most); }

std::string read_file(const std::filesystem::path& path, const std::string& before) {
  const InputFile file(path, before);
  if (is_pipe(file.fd_)) wait_for_bytes(file.fd_, kMomentForWriter);
  std::string content = read_all(file.fd_, file.name_);
  if (content.empty() && is_pipe(file.fd_)) fail(file.name_, " expected content, found a pipe that nobody writes to");
  return content;
}

std::string read_standard_input(const std::string& before) { return read_all(STDIN_FILENO, before + "standard input"); }

}  // namespace gpt2run
