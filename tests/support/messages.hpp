// Messages to a user. A test asserts what the user needs of one (the option, the file, the number that was found), and
// leaves the sentence to docs/messages.txt, where all of them can be read and a better one costs a line.
//
//   EXPECT_THAT(error.what(), IsMessage("--n_gen", "run.ini"));
//   EXPECT_THAT(run_program("gpt2run --n_gen x"), IsRefusal(2, "gpt2run", "--n_gen", "\"x\""));
//
// A message stands there under the program and the test that see it, without what changes from run to run and from
// machine to machine (normalised()). scripts/messages.py renews the list. Under a test that passed, a line that no
// message of the test gave is a failure too. A program with these matchers links gpt2run_messages.
#pragma once
#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <vector>

#include "support/program.hpp"

namespace gpt2run::test {

using Words = std::vector<std::string>;

// Text with names in angle brackets for temporary folders, the folders of the build and of the sources, names of what
// happens to be installed, host names, hashes and the version.
std::string normalised(std::string text);

// Whether text has the word, which is no part of a longer one: "--top" is not in "--top_k", nor "1" in "1.5" or "12".
bool has_word(const std::string& text, const std::string& word);

void PrintTo(const Outcome& outcome, std::ostream* out);

class MessageMatcher {
 public:
  using is_gtest_matcher = void;
  enum class In { one_line, lines };  // lines: the message is the only one of them that has all words

  MessageMatcher(In in, std::optional<int> code, Words words) : in_(in), code_(code), words_(std::move(words)) {}

  bool MatchAndExplain(const std::string& text, std::ostream* why) const;
  bool MatchAndExplain(const Outcome& outcome, std::ostream* why) const;
  void DescribeTo(std::ostream* out) const;
  void DescribeNegationTo(std::ostream* out) const;

 private:
  In in_;
  std::optional<int> code_;
  Words words_;
};

// One line, with or without its end, that has every word and stands in the list.
inline MessageMatcher IsMessage(Words words) { return {MessageMatcher::In::one_line, std::nullopt, std::move(words)}; }
template <class... Word>
MessageMatcher IsMessage(const Word&... words) {
  return IsMessage(Words{words...});
}

// Of several lines exactly one has every word, and it stands in the list.
inline MessageMatcher HasMessage(Words words) { return {MessageMatcher::In::lines, std::nullopt, std::move(words)}; }
template <class... Word>
MessageMatcher HasMessage(const Word&... words) {
  return HasMessage(Words{words...});
}

// A program that wrote nothing to standard output and one line "PROGRAM: error: ..." to standard error, as IsMessage,
// and ended with this code.
inline MessageMatcher IsRefusal(int code, Words words) {
  return {MessageMatcher::In::one_line, code, std::move(words)};
}
template <class... Word>
MessageMatcher IsRefusal(int code, const Word&... words) {
  return IsRefusal(code, Words{words...});
}

}  // namespace gpt2run::test
