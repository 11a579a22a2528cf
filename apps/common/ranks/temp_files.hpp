// Removes the temporary files of a process that is killed. A launcher that sees one rank die kills the others, which
// then cannot clean up. So a child process waits for the end of this one and removes its temporary files.
#pragma once
#include <filesystem>
#include <vector>

namespace gpt2run {

// The child process that cleans up.
class TempFiles {
 public:
  // Starts the child with fork(), so the program must have a single thread. The child shares no open files, terminal or
  // signals with this process. Throws Error when it cannot be started.
  TempFiles();
  ~TempFiles();  // tells the child that there is nothing to remove, and waits for its end
  TempFiles(const TempFiles&) = delete;
  TempFiles& operator=(const TempFiles&) = delete;

  // Adds a folder in which OutputFile may have temporary files.
  void watch(const std::filesystem::path& folder);

 private:
  int pipe_;
  int child_;
};

}  // namespace gpt2run
