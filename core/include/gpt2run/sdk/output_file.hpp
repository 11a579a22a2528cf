// OutputFile: a file that appears under its name only when it is complete. It is written under a temporary name in the
// same folder and renamed by publish(); without publish() it is removed. It is brought to the disk (fsync) before it is
// renamed, and its folder afterwards, unless the environment variable GPT2RUN_FSYNC is 0. Nothing else but 1 may be its
// value.
//
// Several processes may write the same file: each has its own temporary file, and the last to publish wins. Within one
// process a file has a single writer, whichever library that is in. A replaced file passes on its mode without the
// set-id bits and, if the system permits, its group; the new file belongs to the user. One thread at a time. Every
// failure is an Error with the path and the system's reason.
#pragma once
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {

// Writes all bytes. Throws Error naming the target: "standard output: Broken pipe". The process must ignore SIGPIPE. A
// signal whose handler was installed without SA_RESTART interrupts a write, which is an error too.
inline void write_all(int fd, std::string_view bytes, const std::string& target) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) fail(target, ": cannot write: ", std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

// Whether what is written is brought to the disk, by the environment variable GPT2RUN_FSYNC. Throws Error for another
// value than 0 and 1.
inline bool is_brought_to_disk() {
  const char* const variable = std::getenv("GPT2RUN_FSYNC");
  const std::string_view value = variable && *variable ? variable : "1";
  if (value != "0" && value != "1") fail("GPT2RUN_FSYNC: expected 0 or 1, found ", in_quotes(value));
  return value == "1";
}

// Brings what was written to an open file or folder to the disk, if that is wanted. Pipes and devices have nothing to
// bring there. Throws Error naming `path`.
inline void sync_to_disk(int fd, const std::string& path) {
  if (is_brought_to_disk() && fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
    fail(path, ": cannot be brought to the disk: ", std::strerror(errno));
}

// The same for the names in a folder. One that may be written to and not be read is left out.
inline void sync_folder(const std::filesystem::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == EACCES) return;
  if (fd < 0) fail(folder.string(), ": cannot be brought to the disk: ", std::strerror(errno));
  try {
    sync_to_disk(fd, folder.string());
  } catch (...) {
    close(fd);
    throw;
  }
  close(fd);
}

class OutputFile {
 public:
  // Opens the temporary file, and creates missing folders. An existing path that is not a regular file (a device, a
  // pipe) is written in place, and so is a file that is already standard output or error. Throws Error if the file has
  // a writer already, if it may not be written, and for a pipe without a reader.
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  OutputFile& operator=(OutputFile&&) = delete;

  void write(std::string_view bytes);  // buffered
  // Replaces bytes that were written before. Not for a file that is written in place.
  void overwrite(int64_t offset, std::string_view bytes);
  void close();    // writes everything to the file, which keeps its temporary name
  void publish();  // close(), then gives the file its name
  // The same for the results of one run, in their order. All are complete before the first one gets its name, and each
  // of their folders is brought to the disk once, at the end.
  static void publish_all(std::span<OutputFile* const> files);

  const std::string& path() const { return path_; }
  // Where the bytes are: under the temporary name until publish().
  const std::string& place() const { return temporary_.empty() ? path_ : temporary_; }

  // The path that publish() replaces: `path` with links resolved; the last link may point to nothing. Throws Error,
  // also for ".." after a folder that does not exist: the system would not resolve such a path, so it cannot be
  // checked. A link in a folder where everyone may make files, such as /tmp, must belong to the user or to the folder's
  // owner: a stranger's could lead to any of the user's files.
  static std::filesystem::path target_of(const std::filesystem::path& path);

 private:
  static constexpr size_t kBuffer = size_t{1} << 18;

  void open_target();
  void open_temporary(const struct stat* replaced);
  void flush();

  std::string path_;              // as given
  std::filesystem::path target_;  // with links resolved: what publish() renames to
  std::string temporary_;         // empty once published, and for a file that is written in place
  std::string buffer_;
  int fd_ = -1;
};

namespace detail {

// An identifier of this process, the same in all of its libraries: at most 31 characters. It includes random bytes,
// since process numbers are used again.
inline void write_process_id(char (&text)[32]) {
  const auto* random = reinterpret_cast<const unsigned char*>(getauxval(AT_RANDOM));  // 16 bytes from the kernel
  uint32_t words[4] = {};
  if (random) std::memcpy(words, random, sizeof words);
  std::snprintf(text, sizeof text, "%ld-%08x", static_cast<long>(getpid()), words[0] ^ words[1] ^ words[2] ^ words[3]);
}

inline std::string process_id_text() {
  char text[32];
  write_process_id(text);
  return text;
}

// The temporary name, in the folder of `target`. It stays below the 255 bytes that file systems allow.
inline std::string temporary_name(const std::filesystem::path& target) {
  constexpr size_t kMost = 180;
  std::string name = target.filename().string();
  if (name.size() > kMost) name = name.substr(0, kMost) + "-" + std::to_string(std::hash<std::string>()(name));
  return target.parent_path() / ("." + name + "." + process_id_text() + ".tmp");
}

// A duplicate of standard output or error if that is the same file, else -1. A file of its own would have a file
// position of its own, and the two would overwrite each other. Devices have no position.
inline int standard_file(const struct stat& file) {
  if (S_ISCHR(file.st_mode)) return -1;
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat standard;
    if (fstat(fd, &standard) == 0 && standard.st_dev == file.st_dev && standard.st_ino == file.st_ino)
      return fcntl(fd, F_DUPFD_CLOEXEC, 3);
  }
  return -1;
}

// Throws Error for a link that a stranger may have made: in a folder with the sticky bit that everyone can write, and
// of another user than the caller and the folder's owner. Linux itself has this rule where fs.protected_symlinks is 1.
inline void check_link(const std::filesystem::path& link, const struct stat& found, const std::string& path) {
  struct stat folder;
  if (found.st_uid == geteuid() || stat(link.parent_path().c_str(), &folder) != 0) return;
  const bool is_shared = (folder.st_mode & S_ISVTX) && (folder.st_mode & S_IWOTH);
  if (is_shared && found.st_uid != folder.st_uid)
    fail(path, ": cannot be opened for writing: ", link.string(), " is a link of user ", found.st_uid,
         " in a folder that everyone can write");
}

}  // namespace detail

inline std::filesystem::path OutputFile::target_of(const std::filesystem::path& path) {
  constexpr int kMostLinks = 40;
  const auto refuse = [&](int code) { fail(path.string(), ": cannot be opened for writing: ", std::strerror(code)); };
  std::error_code error;
  std::filesystem::path target = "/";
  std::deque<std::filesystem::path> left;  // the names that follow
  const auto add_front = [&](const std::filesystem::path& more) {
    if (more.is_absolute()) target = "/";
    const std::filesystem::path names = more.relative_path();
    left.insert(left.begin(), names.begin(), names.end());
  };
  add_front(std::filesystem::absolute(path, error));
  if (error) refuse(error.value());
  bool missing = false;
  for (int links = 0; !left.empty();) {
    const std::filesystem::path name = left.front();
    left.pop_front();
    if (name == "." || (name.empty() && !left.empty())) continue;
    if (name.empty() && !missing) {  // a path that ends in '/'
      if (!std::filesystem::is_directory(target, error)) refuse(ENOTDIR);
      continue;
    }
    if (name == ".." && missing) refuse(ENOENT);
    if (name == "..") {
      target = target.parent_path();
      continue;
    }
    const std::filesystem::path next = target / name;
    struct stat found;
    if (!missing && lstat(next.c_str(), &found) != 0) {
      if (errno != ENOENT && errno != ENOTDIR) refuse(errno);  // of ENOTDIR, making the folder complains
      missing = true;
    }
    if (missing || !S_ISLNK(found.st_mode)) {
      target = next;
      continue;
    }
    detail::check_link(next, found, path.string());
    if (++links > kMostLinks) fail(path.string(), ": cannot be opened for writing: too many links");
    add_front(std::filesystem::read_symlink(next, error));
    if (error) refuse(error.value());
  }
  return target;
}

inline OutputFile::OutputFile(const std::filesystem::path& path) : path_(path) {
  if (path.empty()) fail("expected the path of a file to write, found an empty one");
  is_brought_to_disk();      // a wrong value is told before there is work that would be lost
  buffer_.reserve(kBuffer);  // first: if this throws, there is no file yet that would stay behind
  open_target();
}

inline void OutputFile::open_target() {
  struct stat found;
  const bool exists = stat(path_.c_str(), &found) == 0;
  const int reason = errno;
  if (exists) fd_ = detail::standard_file(found);
  if (fd_ >= 0) return;
  target_ = target_of(path_);
  // A path that cannot be looked at may well have something at its end, which must not be replaced unseen.
  if (!exists && reason != ENOENT && reason != ENOTDIR)
    fail(path_, ": cannot be opened for writing: ", std::strerror(reason));
  if (!exists || S_ISREG(found.st_mode)) return open_temporary(exists ? &found : nullptr);
  // Without O_NONBLOCK, opening a pipe without a reader would wait forever.
  fd_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0 && errno == ENXIO && S_ISFIFO(found.st_mode))
    fail(path_, ": cannot be opened for writing: nobody reads this pipe");
  if (fd_ < 0) fail(path_, ": cannot be opened for writing: ", std::strerror(errno));
  fcntl(fd_, F_SETFL, O_WRONLY);
}

inline void OutputFile::open_temporary(const struct stat* replaced) {
  if (!target_.has_filename()) fail(path_, ": cannot be opened for writing: expected a file, found a folder");
  if (replaced && faccessat(AT_FDCWD, target_.c_str(), W_OK, AT_EACCESS) != 0)
    fail(path_, ": cannot be opened for writing: ", std::strerror(errno));
  std::error_code error;
  std::filesystem::create_directories(target_.parent_path(), error);
  if (error) fail(path_, ": cannot make its folder: ", error.message());
  std::string name = detail::temporary_name(target_);
  fd_ = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0 && errno == EEXIST)
    fail(path_, ": cannot be opened for writing: another output of this run writes the same file");
  if (fd_ < 0) fail(path_, ": cannot be opened for writing: ", std::strerror(errno));
  temporary_ = std::move(name);  // without memory of its own, which might be missing while the file is there
  if (!replaced) return;
  // A stranger's file does not become his again: what a user wrote belongs to the user.
  [[maybe_unused]] const int of_group = fchown(fd_, static_cast<uid_t>(-1), replaced->st_gid);  // may be refused
  fchmod(fd_, replaced->st_mode & 0777);
}

inline OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      buffer_(std::move(other.buffer_)),
      fd_(std::exchange(other.fd_, -1)) {}

inline OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

inline void OutputFile::write(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBuffer) flush();
}

inline void OutputFile::flush() {
  write_all(fd_, buffer_, path_);
  buffer_.clear();
}

inline void OutputFile::overwrite(int64_t offset, std::string_view bytes) {
  flush();
  const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), offset);
  if (written != static_cast<ssize_t>(bytes.size())) fail(path_, ": cannot write: ", std::strerror(errno));
}

inline void OutputFile::close() {
  if (fd_ < 0) return;
  flush();
  sync_to_disk(fd_, path_);
  if (::close(std::exchange(fd_, -1)) != 0) fail(path_, ": cannot write: ", std::strerror(errno));
  std::string().swap(buffer_);  // frees the memory, since a run may keep thousands of closed files
}

inline void OutputFile::publish() {
  OutputFile* const alone[] = {this};
  publish_all(alone);
}

inline void OutputFile::publish_all(std::span<OutputFile* const> files) {
  std::set<std::filesystem::path> folders;
  for (OutputFile* const file : files) {
    file->close();
    if (!file->temporary_.empty()) folders.insert(file->target_.parent_path());
  }
  for (OutputFile* const file : files) {
    if (file->temporary_.empty()) continue;
    std::error_code error;
    std::filesystem::rename(file->temporary_, file->target_, error);
    if (error) fail(file->path_, ": cannot be put in place: ", error.message());
    file->temporary_.clear();
  }
  for (const std::filesystem::path& folder : folders) sync_folder(folder);
}

// The output of a program: standard output for the path "-", where nothing is buffered, or else an OutputFile.
class Output {
 public:
  explicit Output(const std::string& path) {
    if (path != "-") file_ = std::make_unique<OutputFile>(path);
  }

  void write(std::string_view bytes) {
    file_ ? file_->write(bytes) : write_all(STDOUT_FILENO, bytes, "standard output");
  }
  void publish() {
    if (file_) file_->publish();
  }
  bool is_file() const { return file_ != nullptr; }

 private:
  std::unique_ptr<OutputFile> file_;  // not std::optional: g++ 12 with sanitizers reports it as uninitialised
};

}  // namespace gpt2run
