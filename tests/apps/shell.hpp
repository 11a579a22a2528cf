// Runs commands as a user types them, in a folder of their own that is gone afterwards.
#pragma once
#include <gtest/gtest.h>

#include "support/program.hpp"

namespace gpt2run {

using test::Outcome;

inline std::string read_text(const std::filesystem::path& path) { return test::read_whole(path); }

class Shell : public testing::Test {
 protected:
  const std::filesystem::path& folder() const { return scratch_.path(); }

  // `gpt2run`, `gpt2tokenize` are those of the build tree. The command's own redirections come after these.
  Outcome run(const std::string& command) const {
    return test::run_program("cd " + folder().string() + " && export PATH=" BINARY_DIR "/bin:$PATH && { " + command +
                             "\n}");
  }

  void write(const std::string& name, const std::string& text) const { scratch_.file(name, text); }

  // Files and folders of folder(), hidden ones included.
  size_t entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::recursive_directory_iterator(folder()),
                                             std::filesystem::recursive_directory_iterator()));
  }

 private:
  test::ScratchFolder scratch_;
};

}  // namespace gpt2run
