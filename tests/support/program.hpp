// Running a program as a user would, in a scratch folder, and capturing its output and exit code. Linux only.
#pragma once
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace gpt2run::test {

// An empty folder in the system's temporary folder. It is removed with its contents.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpt2run-test-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("no scratch folder " + pattern);
    path_ = std::filesystem::canonical(pattern);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Makes a folder in it.
  std::filesystem::path folder(const std::string& name) const {
    std::filesystem::create_directories(path_ / name);
    return path_ / name;
  }

  std::filesystem::path file(const std::string& name, const std::string& content = "") const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

struct Outcome {
  int code;  // exit code, or 128 + signal if the program was killed
  std::string out, err;
};

inline std::string read_whole(const std::filesystem::path& file) {
  std::ostringstream content;
  content << std::ifstream(file, std::ios::binary).rdbuf();
  return content.str();
}

// Runs a command line with /bin/sh. Standard input is empty unless the line redirects it.
inline Outcome run_program(const std::string& line) {
  const ScratchFolder scratch;
  const std::string out = (scratch.path() / "out").string(), err = (scratch.path() / "err").string();
  const int status = std::system(("{ " + line + "\n} </dev/null >" + out + " 2>" + err).c_str());
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, read_whole(out), read_whole(err)};
}

}  // namespace gpt2run::test
