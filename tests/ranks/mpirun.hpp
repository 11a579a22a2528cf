// Programs under mpirun, as a user types them.
#pragma once
#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {

// Open MPI wants to be told that root and few cores are meant.
inline constexpr char kMpirun[] =
    "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1; "
    "timeout -k 1 60 " MPIRUN " -n ";
inline constexpr int kTimedOut = 124;

class UnderMpirun : public Shell {
 protected:
  void SetUp() override {
    if (std::string(MPIRUN).empty()) GTEST_SKIP() << "gpt2run was built without MPI";
    Shell::SetUp();
    write("prompts.txt",
          "Once upon a time\nThe king\nA little girl went into the dark forest and there she met\nThe old woman said\n"
          "One day\nHe\nThe princess was so\n");
  }

  // Every file that a command writes in its folder is the same as by one process. Gives what all ranks told.
  std::string expect_same(int ranks, const std::string& command) const {
    SCOPED_TRACE(command);
    const Outcome one = run("mkdir one many && cd one && " + command);
    EXPECT_EQ(one.code, 0) << one.err;
    const Outcome many = run("cd many && " + (kMpirun + std::to_string(ranks)) + " " + command);
    EXPECT_EQ(many.code, 0) << many.err;
    const Outcome difference = run("diff -r one many");
    EXPECT_EQ(difference.code, 0) << difference.out;
    EXPECT_GT(std::filesystem::file_size(folder() / "many/out.txt"), 100u);
    run("rm -rf one many");
    return many.err;
  }

  static int lines_with(const std::string& text, const std::string& part) {
    int count = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
    return count;
  }

  // One line of ours, with these words; no file but the prompts, folders aside.
  void expect_failure(const Outcome& outcome, test::Words words, const std::string& program = "gpt2run") const {
    words.push_back(program + ": error");
    EXPECT_THAT(outcome.err, test::HasMessage(words));
    expect_failure_of(program, outcome);
  }

  // The same, where chance decides which of the ranks tells what it found.
  void expect_failure_of(const std::string& program, const Outcome& outcome) const {
    EXPECT_THAT(outcome.code, testing::AllOf(testing::Ne(0), testing::Ne(kTimedOut)));
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, testing::HasSubstr(program + ": error: "));
    EXPECT_EQ(lines_with(outcome.err, program + ": "), 1) << outcome.err;
    expect_nothing_left();
  }

  // Of a run that was killed a process of its own clears up, which may take a while on a busy machine.
  void expect_nothing_left() const {
    constexpr int kLooks = 200;
    for (int i = 0; i < kLooks && !left().empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_THAT(left(), testing::IsEmpty());
  }

 private:
  std::vector<std::string> left() const {
    std::vector<std::string> files;
    std::error_code gone;  // a file may go while it is looked at
    std::filesystem::recursive_directory_iterator file(folder(), gone), end;
    for (; !gone && file != end; file.increment(gone))
      if (!file->is_directory(gone) && file->path().filename() != "prompts.txt") files.push_back(file->path());
    return files;
  }
};

}  // namespace gpt2run
