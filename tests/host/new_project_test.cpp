// gpt2plugins new: what it writes, and that it writes over nothing. tests/sdk builds what it writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/program.hpp"

namespace gpt2run::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kNew = std::string(BINARY_DIR) + "/bin/gpt2plugins new ";

// before: what the shell does before it.
Outcome new_in(const ScratchFolder& scratch, const std::string& arguments, const std::string& before = "") {
  return run_program("cd " + scratch.path().string() + " && " + before + kNew + arguments);
}

size_t entries(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(NewProject, OfEachKindHasItsNameEverywhere) {
  const ScratchFolder scratch;
  const std::map<std::string, std::vector<std::string>> old_names = {{"loader", {"Flat", "\"flat\",", "coin"}},
                                                                     {"precision", {"my-e4m3", "E4m3P", "coin"}},
                                                                     {"sampler", {"coin", "Coin"}},
                                                                     {"sink", {"surprise", "Surprise", "coin"}}};
  for (const auto& [kind, old] : old_names) {
    const Outcome outcome = new_in(scratch, kind + " few-words in/" + kind);
    EXPECT_EQ(outcome.code, 1) << "the folder `in` is not there";
    ASSERT_EQ(new_in(scratch, kind + " few-words " + kind).code, 0);
    std::string all;
    for (const char* name : {"few-words.cpp", "CMakeLists.txt", "README.md", "test.sh"})
      all += read_whole(scratch.path() / kind / name);
    for (const std::string& word : old) EXPECT_EQ(all.find(word), std::string::npos) << kind << " has " << word;
    EXPECT_THAT(all, HasSubstr("gpt2run_add_plugin(" + kind + " few-words SOURCES few-words.cpp)"));
    EXPECT_THAT(all, testing::ContainsRegex("(class|struct) FewWords(Loader|Precision|Sampler|Sink) "));
    EXPECT_EQ(entries(scratch.path() / kind), 4u);
  }
}

TEST(NewProject, StandsInAFolderOfItsNameAndSaysWhatToDo) {
  const ScratchFolder scratch;
  const Outcome outcome = new_in(scratch, "sampler my-sampler");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("my-sampler/my-sampler.cpp\n"));
  EXPECT_THAT(outcome.out, HasSubstr("cmake --build build"));
  EXPECT_THAT(outcome.out, HasSubstr("cmake --install ")) << "the program lies in the folder where it was built";
  EXPECT_THAT(read_whole(scratch.path() / "my-sampler/my-sampler.cpp"), HasSubstr("class MySampler final"));
  EXPECT_EQ(entries(scratch.path()), 1u) << "a draft was left";
}

TEST(NewProject, HasNoNameOfAPluginThatIsThere) {
  const ScratchFolder scratch;
  const Outcome outcome = new_in(scratch, "sampler nucleus");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, testing::AllOf(HasSubstr("\"nucleus\""), HasSubstr("gpt2run-sampler-nucleus.so")));
  EXPECT_EQ(new_in(scratch, "sink nucleus").code, 0) << "a name of another kind";
}

TEST(NewProject, FillsAnEmptyFolderThatALinkNames) {
  const ScratchFolder scratch;
  const Outcome outcome = new_in(scratch, "sink b link", "mkdir empty && ln -s empty link && ");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(entries(scratch.path() / "empty"), 4u);
  EXPECT_TRUE(fs::is_symlink(scratch.path() / "link"));
  EXPECT_EQ(entries(scratch.path()), 2u) << "a draft was left";
}

TEST(NewProject, FillsTheEmptyFolderInWhichOneStands) {
  const ScratchFolder scratch;
  const Outcome outcome = new_in(scratch, "sink b . && ls b.cpp");  // ls: the folder has not been replaced
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(entries(scratch.path()), 4u) << "a draft was left";
}

TEST(NewProject, HasTheModesOfOtherFiles) {
  const ScratchFolder scratch;
  ASSERT_EQ(new_in(scratch, "sink b", "umask 027 && ").code, 0);
  const auto mode_of = [&](const char* name) { return fs::status(scratch.path() / name).permissions(); };
  EXPECT_EQ(mode_of("b"), fs::perms(0750));
  EXPECT_EQ(mode_of("b/b.cpp"), fs::perms(0640));
  EXPECT_EQ(mode_of("b/test.sh"), fs::perms(0750));
}

TEST(NewProject, WritesOverNothing) {
  const ScratchFolder scratch;
  scratch.folder("full");
  scratch.file("full/mine", "text");
  scratch.file("file", "text");
  scratch.folder("empty");
  fs::create_symlink("nowhere", scratch.path() / "link");
  for (const char* name : {"full", "file", "link", "full/"}) {
    const Outcome outcome = new_in(scratch, std::string("sink x ") + name);
    EXPECT_EQ(outcome.code, 1) << name;
    EXPECT_THAT(outcome.err, HasSubstr("exists already")) << name;
  }
  EXPECT_EQ(entries(scratch.path()), 4u);
  EXPECT_EQ(entries(scratch.path() / "full"), 1u);
  EXPECT_EQ(read_whole(scratch.path() / "full/mine"), "text");
  EXPECT_EQ(new_in(scratch, "sink x empty").code, 0);
  EXPECT_EQ(entries(scratch.path() / "empty"), 4u);
}

// The source file is larger than what the process may write.
TEST(NewProject, ThatCannotBeWrittenLeavesNothing) {
  const ScratchFolder scratch;
  const Outcome outcome = new_in(scratch, "sampler x", "ulimit -f 1 && ");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("x.cpp: cannot write: "));
  EXPECT_EQ(entries(scratch.path()), 0u);
}

TEST(NewProject, RefusesWhatIsNoKindAndNoName) {
  const ScratchFolder scratch;
  for (const char* name : {"My_Sampler", "''", "-x", "a.cuda", "a/b", "..", "'a b'", "device-x", "x y z"})
    EXPECT_EQ(new_in(scratch, std::string("sampler ") + name).code, 2) << name;
  EXPECT_EQ(new_in(scratch, "sampler " + std::string(101, 'x')).code, 2);
  EXPECT_EQ(new_in(scratch, "samplers x").code, 2);
  EXPECT_EQ(new_in(scratch, "sampler x ''").code, 2);
  EXPECT_EQ(new_in(scratch, "sampler").code, 2);
  EXPECT_EQ(new_in(scratch, "sampler x --json").code, 2);
  EXPECT_EQ(entries(scratch.path()), 0u);
}

}  // namespace
}  // namespace gpt2run::test
