// The matchers of messages: what they take for a word, what they hide, and what they refuse.
#include "support/messages.hpp"

#include <gtest/gtest.h>

namespace gpt2run::test {
namespace {

using testing::Not;

constexpr char kListed[] = "run.ini: n_gen: expected a whole number, found 12";

TEST(Words, AreNoPartsOfLongerOnes) {
  EXPECT_TRUE(has_word("gpt2run: error: --top: a value is missing", "--top"));
  EXPECT_TRUE(has_word("a: cannot be read", "a:"));
  EXPECT_TRUE(has_word("found 12; expected 1.5.", "12"));
  EXPECT_TRUE(has_word("found 12; expected 1.5.", "1.5"));
  EXPECT_TRUE(has_word("x/a.json: b", "a.json"));
  EXPECT_FALSE(has_word("--top_k: a value is missing", "--top"));
  EXPECT_FALSE(has_word("--top-k: a value is missing", "--top"));
  EXPECT_FALSE(has_word("--text.out: expected a path", "--text"));
  EXPECT_FALSE(has_word("--top-p: expected a number", "-p"));
  EXPECT_FALSE(has_word("expected 1.5, found 128", "5"));
  EXPECT_FALSE(has_word("expected 1.5, found 128", "12"));
  EXPECT_FALSE(has_word("data: cannot be read", "a:"));
}

TEST(Normalised, HidesWhatChanges) {
  const ScratchFolder folder;
  EXPECT_EQ(normalised(folder.file("a").string() + ": no"), "<folder>/a: no");
  EXPECT_EQ(normalised("is \"" + folder.path().string() + "\""), "is \"<folder>\"");
  EXPECT_EQ(normalised(BINARY_DIR "/bin/x, " SOURCE_DIR "/docs"), "<build>/bin/x, <source>/docs");
  EXPECT_EQ(normalised("expected 0123456789123456 bytes"), "expected 0123456789123456 bytes");
  EXPECT_EQ(normalised("rank 2 on some-host: no"), "rank 2 on <host>: no");
  EXPECT_EQ(normalised("no \"x\" (there is: fp32, cpu-fp32)"), "no \"x\" (there is: <names>)");
  EXPECT_EQ(normalised("hash of x was 0123456789abcdef, now 1123456789abcdef"), "hash of x was <hash>, now <hash>");
}

TEST(Matchers, TakeWhatIsListedWithEveryWord) {
  EXPECT_THAT(kListed, IsMessage("run.ini", "n_gen", "12"));
  EXPECT_THAT(std::string(kListed) + "\n", IsMessage("run.ini"));
  EXPECT_THAT(std::string("one\n") + kListed + "\nanother\n", HasMessage("run.ini"));
  EXPECT_THAT(kListed, Not(IsMessage("other.ini")));
  EXPECT_THAT(kListed, Not(IsMessage("n_gen", "1")));
  EXPECT_THAT(std::string(kListed) + "\n" + kListed, Not(IsMessage("run.ini")));
  EXPECT_THAT(std::string(kListed) + "\n" + kListed, Not(HasMessage("run.ini")));
}

TEST(Matchers, AskForTheEndOfTheProgram) {
  const std::string line = "gpt2run: error: --top: a value is missing\n";
  EXPECT_THAT((Outcome{2, "", line}), IsRefusal(2, "--top"));
  EXPECT_THAT((Outcome{1, "", line}), Not(IsRefusal(2, "--top")));
  EXPECT_THAT((Outcome{2, "text", line}), Not(IsRefusal(2, "--top")));
  EXPECT_THAT((Outcome{2, "", "--top: a value is missing\n"}), Not(IsRefusal(2, "--top")));
  EXPECT_THAT((Outcome{2, "", line + line}), Not(IsRefusal(2, "--top")));
}

TEST(Matchers, RefuseWhatIsNotListed) {
  if (getenv("GPT2RUN_MESSAGES")) GTEST_SKIP() << "what is seen is written down";
  EXPECT_THAT("run.ini: n_gen: another sentence", Not(IsMessage("run.ini", "n_gen")));
}

}  // namespace
}  // namespace gpt2run::test
