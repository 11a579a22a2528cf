// The programs that print a table and write the same as JSON: where the JSON may go, and that it never costs the table.
#include <gmock/gmock.h>

#include "apps/shell.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::IsMessage;
using test::IsRefusal;
using testing::HasSubstr;

class Results : public Shell {
 protected:
  void write_inputs() const {
    ASSERT_EQ(run("cp -r " SOURCE_DIR "/models/demo m").code, 0);
    write("c.ini", "quiet = on\n");
  }
  void expect_refused(const std::string& command, const std::string& kept, const test::Words& words) const {
    const std::string before = read_text(folder() / kept);
    EXPECT_THAT(run(command), IsRefusal(2, words)) << command;
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
      expect_refused(program + "m --json " + file, file, {"--json", in_quotes(file), "--model"});
    expect_refused(program + kSmall + " -c c.ini --json ./c.ini", "c.ini", {"--json", "\"./c.ini\"", "--config"});
  }
  expect_refused(std::string("gpt2compare -q --tokens '1 2' -m ") + kSmall + " --test_model m --json m/config.json",
                 "m/config.json", {"--json", "\"m/config.json\"", "--test_model"});
}

TEST_F(Results, AreNotMixedWithTheTable) {
  write("f", "kept");
  for (const std::string program : kPrograms)
    expect_refused(program + kSmall + " --json f >>f", "f", {"--json", "table", "standard output"});
  ASSERT_EQ(run("mkdir a b").code, 0);
  expect_refused("gpt2compare -q --ref_folder a --test_folder b --json f >>f", "f",
                 {"--json", "table", "standard output"});
}

TEST_F(Results, ThatCannotBeWrittenLeaveTheTable) {
  for (const std::string program : kPrograms) {
    const std::string command = program + kSmall;
    const Outcome done = run("{ ulimit -f 1; " + command + " --json f; echo code $?; } | cat");
    EXPECT_THAT(done.err, IsMessage(program.substr(0, program.find(' ')) + ": error", "f:", "File too large"));
    const std::string table = run(command).out, first = table.substr(0, table.find('\n'));
    EXPECT_THAT(done.out, HasSubstr(first.substr(0, first.find(','))));  // without the load
    EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), std::count(table.begin(), table.end(), '\n') + 1);
    EXPECT_THAT(done.out, testing::EndsWith("code 1\n"));
    EXPECT_EQ(entries(), 0u) << command;
  }
}

}  // namespace
}  // namespace gpt2run
