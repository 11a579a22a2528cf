// The programs that print a table and write the same as JSON: where the JSON may go, and that it never costs the table.
#include <gmock/gmock.h>

#include "apps/shell.hpp"

namespace gpt2run {
namespace {

using testing::HasSubstr;

class Results : public Shell {
 protected:
  void write_inputs() const {
    ASSERT_EQ(run("cp -r " SOURCE_DIR "/models/demo m").code, 0);
    write("c.ini", "quiet = on\n");
  }
  void expect_refused(const std::string& command, const std::string& kept, const std::string& expected) const {
    const std::string before = read_text(folder() / kept);
    const Outcome done = run(command);
    EXPECT_EQ(done.code, 2) << command;
    EXPECT_THAT(done.err, HasSubstr(expected)) << command;
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
    EXPECT_EQ(done.out, "") << command;
    EXPECT_EQ(read_text(folder() / kept), before) << command;
  }
};

constexpr char kSmall[] = "synthetic:L=1,C=16,H=2,V=20,T=64";
// Each on `-m MODEL`, which is to follow.
const char* const kPrograms[] = {
    "gpt2bench -q --precision fp32 --threads 1 --prompt_tokens 8 --new_tokens 4 --repetitions 1 --read_mb 1 -m ",
    "gpt2bench -q --precision fp32 --threads 1 --new_tokens 4 --repetitions 1 --decode 16x1 -m ",
    "gpt2compare -q --tokens '1 2 3' -m ", "gpt2perplexity -q --tokens '1 2 3' -m "};

TEST_F(Results, DoNotReplaceWhatIsRead) {
  write_inputs();
  for (const std::string program : kPrograms) {
    for (const char* file : {"m/config.json", "m/model.safetensors"})
      expect_refused(program + "m --json " + file, file, "expected a file that is not read, found one of --model");
    expect_refused(program + kSmall + " -c c.ini --json ./c.ini", "c.ini", "found one of --config");
  }
  expect_refused(std::string("gpt2compare -q --tokens '1 2' -m ") + kSmall + " --test_model m --json m/config.json",
                 "m/config.json", "found one of --test_model");
}

TEST_F(Results, AreNotMixedWithTheTable) {
  write("f", "kept");
  for (const std::string program : kPrograms)
    expect_refused(program + kSmall + " --json f >>f", "f", "--json and the table: both write to standard output");
  ASSERT_EQ(run("mkdir a b").code, 0);
  expect_refused("gpt2compare -q --ref_folder a --test_folder b --json f >>f", "f", "--json and the table: both");
}

TEST_F(Results, ThatCannotBeWrittenLeaveTheTable) {
  for (const std::string program : kPrograms) {
    const std::string command = program + kSmall;
    const Outcome done = run("{ ulimit -f 1; " + command + " --json f; echo code $?; } | cat");
    EXPECT_EQ(done.err, program.substr(0, program.find(' ')) + ": error: f: cannot write: File too large\n");
    const std::string table = run(command).out, first = table.substr(0, table.find('\n'));
    EXPECT_THAT(done.out, HasSubstr(first.substr(0, first.find(','))));  // without the load
    EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), std::count(table.begin(), table.end(), '\n') + 1);
    EXPECT_THAT(done.out, testing::EndsWith("code 1\n"));
    EXPECT_EQ(entries(), 0u) << command;
  }
}

}  // namespace
}  // namespace gpt2run
