// The temporary files of a process that is killed: a launcher that sees one rank die kills the others, and they cannot
// tidy up. A child process waits for the end of this one and removes what it has left.
#pragma once
#include <filesystem>
#include <vector>

namespace gpt2run {

class TempFiles {
 public:
  // Starts the child: for programs with one thread (fork). It has no part of this process's files, terminal and
  // signals. Throws Error when the system gives no child.
  TempFiles();
  ~TempFiles();  // nothing is left: the child ends
  TempFiles(const TempFiles&) = delete;
  TempFiles& operator=(const TempFiles&) = delete;

  // Of the files that OutputFile puts into this folder.
  void watch(const std::filesystem::path& folder);

 private:
  int pipe_;
  int child_;
};

}  // namespace gpt2run
