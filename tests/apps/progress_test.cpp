// The progress line: on a terminal, and nowhere else.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "shell.hpp"

namespace gpt2run {
namespace {

using testing::HasSubstr;
using testing::Not;

class ProgressOnTerminal : public Shell {
 protected:
  void SetUp() override {
    Shell::SetUp();
    master_ = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (master_ < 0 || grantpt(master_) != 0 || unlockpt(master_) != 0) GTEST_SKIP() << "no pseudo-terminals here";
    name_ = ptsname(master_);
    slave_ = open(name_.c_str(), O_RDWR | O_NOCTTY);  // what is written stays readable after the program's end
    ASSERT_GE(slave_, 0);
  }
  void TearDown() override {
    close(slave_), close(master_);
    Shell::TearDown();
  }

  std::string shown() const {
    std::string text;
    char buffer[4096];
    for (ssize_t count; (count = read(master_, buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(count));
    return text;
  }

  const std::string command_ = "gpt2run --model synthetic:L=2,C=64,H=2,V=300,T=64 --tokens 1 --samples 12 -n 8 ";
  std::string name_;

 private:
  int master_ = -1, slave_ = -1;
};

TEST_F(ProgressOnTerminal, AppearsAndIsGoneBeforeTheLastLine) {
  EXPECT_EQ(run(command_ + "--sink null 2>" + name_).code, 0);
  const std::string text = shown();
  EXPECT_THAT(text, HasSubstr("\r\x1b[K["));
  EXPECT_THAT(text, HasSubstr(" of 12 sequences"));
  const size_t last = text.rfind("\r\x1b[K");
  EXPECT_THAT(text.substr(last), HasSubstr("\r\x1b[Kgpt2run: 96 new tokens")) << "the line gives way to the summary";
}

TEST_F(ProgressOnTerminal, StaysAwayFromAStreamQuietRunsAndPipes) {
  EXPECT_EQ(run(command_ + "--sink text >" + name_ + " 2>" + name_).code, 0);
  EXPECT_EQ(run(command_ + "--sink null --quiet 2>" + name_).code, 0);
  EXPECT_THAT(shown(), Not(HasSubstr("\x1b")));
  const Outcome piped = run(command_ + "--sink null");
  EXPECT_EQ(piped.code, 0);
  EXPECT_THAT(piped.err, Not(HasSubstr("\x1b")));
}

TEST_F(ProgressOnTerminal, ResultsInAFileLeaveTheTerminalFree) {
  EXPECT_EQ(run(command_ + "--sink text >results 2>" + name_).code, 0);
  EXPECT_THAT(shown(), HasSubstr(" of 12 sequences"));
  EXPECT_THAT(read_text(folder() / "results"), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace gpt2run
