// Runs commands as a user types them, in a folder of their own that is gone afterwards.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace gpt2run {

struct Outcome {
  int code;  // exit code; 128 + signal
  std::string out, err;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class Shell : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "gpt2run-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    outside_ = name;
    std::filesystem::create_directory(folder());
  }
  void TearDown() override { std::filesystem::remove_all(outside_); }

  std::filesystem::path folder() const { return outside_ / "here"; }

  // `gpt2run`, `gpt2tokenize` are those of the build tree. The command's own redirections come after these.
  Outcome run(const std::string& command) const {
    const std::string out = (outside_ / "out").string(), err = (outside_ / "err").string();
    const std::string line = "cd " + folder().string() + " && export PATH=" BINARY_DIR "/bin:$PATH && { " + command +
                             "\n} >" + out + " 2>" + err + " </dev/null";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(out), read_text(err)};
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder() / name, std::ios::binary) << text;
  }

  // Files and folders of folder(), hidden ones included.
  size_t entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::recursive_directory_iterator(folder()),
                                             std::filesystem::recursive_directory_iterator()));
  }

 private:
  std::filesystem::path outside_;
};

}  // namespace gpt2run
