// The temporary file behind OutputFile.
#include "gpt2run/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBuffer = 1 << 18;

// A name next to `path` that no file has: process and counter tell runs apart, O_EXCL machines that share the folder.
int create_temporary(const fs::path& path, std::string& name) {
  static std::atomic<unsigned> counter = 0;
  for (;;) {
    name = path.parent_path() / ".";
    name += path.filename().string();
    name.append(".").append(std::to_string(getpid())).append("-").append(std::to_string(counter++)).append(".tmp");
    const int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
}

}  // namespace

void write_all(int fd, std::string_view bytes, const std::string& target) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(target, ": cannot write: ", std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

OutputFile::OutputFile(const fs::path& path) : path_(path) {
  std::error_code error;
  // A link is followed: publishing replaces the file it points to, not the link.
  target_ = fs::weakly_canonical(path, error);
  if (error) fail(path_, ": cannot be opened for writing: ", error.message());
  if (fs::exists(target_, error) && !fs::is_regular_file(target_, error)) {
    // A pipe that nobody reads is an error now, not a wait without end.
    fd_ = open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd_ >= 0) fcntl(fd_, F_SETFL, O_WRONLY);
  } else {
    if (target_.has_parent_path()) fs::create_directories(target_.parent_path(), error);
    if (error) fail(path_, ": cannot make its folder: ", error.message());
    fd_ = create_temporary(target_, temporary_);
  }
  if (fd_ < 0) fail(path_, ": cannot be opened for writing: ", std::strerror(errno));
  buffer_.reserve(kBuffer);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      buffer_(std::move(other.buffer_)),
      fd_(std::exchange(other.fd_, -1)) {}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void OutputFile::write(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBuffer) flush();
}

void OutputFile::flush() {
  write_all(fd_, buffer_, path_);
  buffer_.clear();
}

void OutputFile::overwrite(int64_t offset, std::string_view bytes) {
  flush();
  const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), offset);
  if (written != static_cast<ssize_t>(bytes.size())) fail(path_, ": cannot write: ", std::strerror(errno));
}

void OutputFile::close() {
  if (fd_ < 0) return;
  flush();
  if (::close(std::exchange(fd_, -1)) != 0) fail(path_, ": cannot write: ", std::strerror(errno));
  std::string().swap(buffer_);  // gives the memory back: a run may keep thousands of closed files
}

void OutputFile::publish() {
  close();
  if (temporary_.empty()) return;
  std::error_code error;
  fs::rename(temporary_, target_, error);
  if (error) fail(path_, ": cannot be put in place: ", error.message());
  temporary_.clear();
}

}  // namespace gpt2run
