// Files and standard input, read to their end or told why not. Any thread; standard input by one at a time.
#pragma once
#include <filesystem>
#include <string>

namespace gpt2run {

// A file that is read piece by piece. Opening one never waits: a pipe without a writer is at its end.
class InputFile {
 public:
  // before: of the path in messages ("--config "). Throws Error naming the path and the system's reason.
  explicit InputFile(const std::filesystem::path& path, const std::string& before = "");
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Up to `most` bytes; their number, 0 at the end. Waits for the writer of a pipe. Throws Error as above.
  size_t read(char* to, size_t most);

 private:
  friend std::string read_file(const std::filesystem::path& path, const std::string& before);

  std::string name_;
  int fd_;
};

// before: of the path in messages ("--config "). A pipe is read to its end, but one that nobody writes to is an error,
// not a wait without end. A signal whose handler was installed without SA_RESTART ends a wait. Throws Error naming the
// path and the system's reason, or the most that is read (256 MiB).
std::string read_file(const std::filesystem::path& path, const std::string& before = "");

// before: of its name in messages ("--prompt -: ").
std::string read_standard_input(const std::string& before);

}  // namespace gpt2run
