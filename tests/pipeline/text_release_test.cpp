// What may be shown, and when: no broken UTF-8, no beginning of a stop string.
#include "text_release.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace gpt2run {
namespace {

const std::vector<std::string> kNone, kStops = {"STOP", "\n\n"};

TEST(TextRelease, PlainTextPassesAtOnce) {
  TextRelease text(kNone);
  EXPECT_EQ(text.push("Once"), "Once");
  EXPECT_EQ(text.push(" upon"), " upon");
  EXPECT_EQ(text.take_tail(), "");
}

TEST(TextRelease, AUtf8SequenceIsReleasedWhole) {
  const std::string euro = "\xe2\x82\xac", smile = "\xf0\x9f\x99\x82";
  for (const std::string& character : {euro, smile, std::string("\xc3\xa9")}) {
    TextRelease text(kNone);
    for (size_t i = 0; i + 1 < character.size(); ++i) EXPECT_EQ(text.push(character.substr(i, 1)), "");
    EXPECT_EQ(text.push(character.substr(character.size() - 1)), character);
  }
}

TEST(TextRelease, BytesThatNeverBecomeUtf8PassThrough) {
  TextRelease text(kNone);
  EXPECT_EQ(text.push("a\x80"), "a\x80");
  EXPECT_EQ(text.push("\xff"), "\xff");
  EXPECT_EQ(text.push("\xe2"), "");
  EXPECT_EQ(text.push("b"),
            "\xe2"
            "b");
  EXPECT_EQ(text.push("\xf0\x9f"), "");
  EXPECT_EQ(text.take_tail(), "\xf0\x9f");
  EXPECT_EQ(text.take_tail(), "");
}

TEST(TextRelease, TheStopTextIsNeverShown) {
  TextRelease text(kStops);
  EXPECT_EQ(text.push("a ST"), "a ");
  EXPECT_FALSE(text.stopped());
  EXPECT_EQ(text.push("O"), "");
  EXPECT_EQ(text.push("P and more"), "");
  EXPECT_TRUE(text.stopped());
  EXPECT_EQ(text.push("later"), "");
  EXPECT_EQ(text.take_tail(), "");
}

TEST(TextRelease, ABeginningThatIsNoStopAfterAllIsReleased) {
  TextRelease text(kStops);
  EXPECT_EQ(text.push("ST"), "");
  EXPECT_EQ(text.push("STAY"), "STSTAY");
  EXPECT_EQ(text.push("\n"), "");
  EXPECT_EQ(text.take_tail(), "\n");
}

TEST(TextRelease, TheFirstOfSeveralStopsWins) {
  TextRelease text(kStops);
  EXPECT_EQ(text.push("one\n\ntwo STOP"), "one");
  EXPECT_TRUE(text.stopped());
}

}  // namespace
}  // namespace gpt2run
