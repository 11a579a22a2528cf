// A file that appears under its name only when it is whole: written under a temporary name in the same folder, renamed
// by publish(), removed if that never comes. Runs in one folder do not mix, the last to publish wins; within one
// process a file has one writer, whatever library it is in. A file that is replaced leaves its mode and, where the
// system lets it, its owner to the new one. One thread at a time. Every error is an Error that names the path and the
// system's reason.
#pragma once
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "gpt2run/error.hpp"

namespace gpt2run {

// All bytes, or Error naming the target: "standard output: Broken pipe". The caller's process must ignore SIGPIPE.
void write_all(int fd, std::string_view bytes, const std::string& target);

class OutputFile {
 public:
  // Makes missing folders. A path that exists and is no regular file (a device, a pipe) is written in place, and so is
  // the file that is standard output or error. A second writer, a file that may not be written and a pipe that nobody
  // reads are errors.
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  OutputFile& operator=(OutputFile&&) = delete;

  void write(std::string_view bytes);                      // buffered
  void overwrite(int64_t offset, std::string_view bytes);  // of what was written before; not where written in place
  void close();    // everything has reached the file; still under its temporary name
  void publish();  // close(), then the file has its name

  const std::string& path() const { return path_; }

  // What publish() replaces: path without links, of which the last may point to nothing. Throws Error.
  static std::filesystem::path target_of(const std::filesystem::path& path);

 private:
  void open_target();
  void open_temporary(const struct stat* replaced);
  void flush();

  std::string path_;              // as given
  std::filesystem::path target_;  // without links: what publish() renames to
  std::string temporary_;         // empty: written in place, or published
  std::string buffer_;
  int fd_ = -1;
};

}  // namespace gpt2run
