// gpt2tokenize as a user runs it: what it prints, its one line of complaint, its exit code.
#include <gtest/gtest.h>

#include "support/program.hpp"
#include "tokenizer/demo_folder.hpp"

namespace gpt2run::test {
namespace {

const std::string kProgram = std::string(BINARY_DIR) + "/bin/gpt2tokenize";

// Runs a line of shell in which $P is the program, in an empty folder.
Outcome shell(const std::string& line) {
  const ScratchFolder scratch;
  return run_program("cd '" + scratch.path().string() + "' && P='" + kProgram + "' && { " + line + "\n}");
}

void expect_output(const std::string& line, const std::string& out) {
  const Outcome result = shell(line);
  EXPECT_EQ(result.status, 0) << line;
  EXPECT_EQ(result.out, out) << line;
  EXPECT_EQ(result.err, "") << line;
}

void expect_complaint(const std::string& line, int status, const std::string& complaint) {
  const Outcome result = shell(line);
  EXPECT_EQ(result.status, status) << line;
  EXPECT_EQ(result.out, "") << line;
  EXPECT_EQ(result.err, "gpt2tokenize: " + complaint + "\n") << line;
}

// The ids are those of the demo model's card.
TEST(Gpt2tokenize, EncodesWithTheDemoModel) {
  expect_output("$P encode 'Once upon a time'", "2441 678 258 529\n");
  expect_output("printf 'Once upon a time' | $P encode -", "2441 678 258 529\n");
  expect_output("printf 'Once upon a time\\n' | $P encode -", "2441 678 258 529 198\n");
  expect_output("$P encode ''", "\n");
  expect_output("$P encode -- -a", "12 64\n");
}

TEST(Gpt2tokenize, SpecialTokens) {
  expect_output("$P encode '<|endoftext|>'", "4095\n");
  expect_output("$P encode --no-special '<|endoftext|>' | $P decode -", "<|endoftext|>");
  EXPECT_NE(shell("$P encode --no-special '<|endoftext|>'").out, "4095\n");
}

TEST(Gpt2tokenize, Decodes) {
  expect_output("$P decode 2441 678 258 529", "Once upon a time");
  expect_output("echo '2441 678\n258 529' | $P decode -", "Once upon a time");
  expect_output("printf '' | $P decode -", "");
  expect_output("printf 'a\\0\\377\\n\\n' | $P encode - | $P decode - | od -An -tx1", " 61 00 ff 0a 0a\n");
}

TEST(Gpt2tokenize, OtherTokenizers) {
  const std::string demo = demo_folder().string();
  expect_output("$P encode --tokenizer " + demo + " 'Once upon'", "2441 678\n");
  expect_output("$P --tokenizer=" + demo + " encode 'Once upon'", "2441 678\n");
  expect_complaint(
      "$P encode --tokenizer missing a", 1,
      "missing: expected a folder with vocab.json and merges.txt or llm.c's tokenizer file, found nothing");
  expect_complaint("$P encode --tokenizer . a", 1, "./vocab.json: expected a file that can be read, found nothing");
}

TEST(Gpt2tokenize, WrongCommandLines) {
  const auto expect_usage = [](const std::string& line, const std::string& complaint) {
    expect_complaint(line, 2, complaint + " (--help shows the usage)");
  };
  expect_usage("$P", "command: expected encode or decode, found nothing");
  expect_usage("$P count a", "command: expected encode or decode, found count");
  expect_usage("$P encode", "encode: expected input, or - for standard input");
  expect_usage("$P encode a b", "encode: expected one text (in quotes), found 2");
  expect_usage("$P encode --bogus a", "unrecognised option '--bogus'");
  expect_usage("$P encode --token x a", "unrecognised option '--token'");
  expect_usage("$P encode a --tokenizer", "the required argument for option '--tokenizer' is missing");
}

TEST(Gpt2tokenize, WrongIds) {
  expect_complaint("$P decode 1 x 2", 1, "decode: expected token ids, found x");
  expect_complaint("$P decode 12a", 1, "decode: expected token ids, found 12a");
  expect_complaint("$P decode 99999999999", 1, "decode: expected token ids, found 99999999999");
  expect_complaint("$P decode 1 4096", 1, "token id: expected 0 to 4095, found 4096");
  expect_complaint("$P decode -- -1", 1, "token id: expected 0 to 4095, found -1");
}

TEST(Gpt2tokenize, BrokenStreams) {
  expect_complaint("$P encode a >/dev/full", 1, "standard output: cannot write: No space left on device");
  expect_complaint("$P encode a >&-", 1, "standard output: cannot write: Bad file descriptor");
  expect_complaint("$P encode - <&-", 1, "standard input: expected bytes, found: Bad file descriptor");
  expect_complaint("$P encode - </", 1, "standard input: expected bytes, found: Is a directory");
  const Outcome closed = shell("{ yes | head -c 2000000 | $P encode -; echo $? >code; } | head -c 1; cat code");
  EXPECT_EQ(closed.out.substr(1), "1\n");
  EXPECT_EQ(closed.err, "gpt2tokenize: standard output: cannot write: Broken pipe\n");
}

TEST(Gpt2tokenize, AnyEnvironment) { expect_output("env -i LC_ALL=nowhere $P encode 'Once upon'", "2441 678\n"); }

TEST(Gpt2tokenize, Help) {
  const Outcome result = shell("$P --help");
  EXPECT_EQ(result.status, 0);
  for (const char* word : {"encode", "decode", "--tokenizer", "--no-special"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace gpt2run::test
