// Reading whole files and standard input, with errors that name the file and the reason. Files may be read from any
// thread, standard input by one thread at a time.
#pragma once
#include <filesystem>
#include <string>

namespace gpt2run {

// A file that is read piece by piece. Opening never blocks: a pipe without a writer is at its end.
class InputFile {
 public:
  // before: what messages put before the path, such as "--config ". Throws Error with the path and the system's reason.
  explicit InputFile(const std::filesystem::path& path, const std::string& before = "");
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Reads up to `most` bytes and returns their number, 0 at the end. Waits for the writer of a pipe. Throws Error as
  // above.
  size_t read(char* to, size_t most);

 private:
  friend std::string read_file(const std::filesystem::path& path, const std::string& before);

  std::string name_;
  int fd_;
};

// Returns the contents of a file. before: what messages put before the path, such as "--config ". A pipe is read to its
// end; one without a writer is an error rather than an endless wait. A signal whose handler was installed without
// SA_RESTART ends a wait. Throws Error with the path and the system's reason, and for more than 256 MiB.
std::string read_file(const std::filesystem::path& path, const std::string& before = "");

// Returns all of standard input. before: what messages put before its name, such as "--prompt -: ".
std::string read_standard_input(const std::string& before);

}  // namespace gpt2run
