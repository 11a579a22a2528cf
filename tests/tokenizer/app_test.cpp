// gpt2tokenize as a user runs it: what it prints, its one line of complaint, its exit code.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/messages.hpp"
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
  EXPECT_EQ(result.code, 0) << line;
  EXPECT_EQ(result.out, out) << line;
  EXPECT_EQ(result.err, "") << line;
}

template <class... Word>
void expect_complaint(const std::string& line, int status, const Word&... words) {
  EXPECT_THAT(shell(line), IsRefusal(status, words...)) << line;
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

// As for every program: `-` and `_` are alike, and options may stand anywhere.
TEST(Gpt2tokenize, OptionsAreThoseOfTheHouse) {
  const std::string plain = shell("$P encode --no-special '<|endoftext|>'").out;
  expect_output("$P encode --no_special '<|endoftext|>'", plain);
  expect_output("$P encode '<|endoftext|>' --no_special", plain);
  expect_output("$P --no-special=on encode '<|endoftext|>'", plain);
  expect_output("$P encode --no_special=off -- '<|endoftext|>'", "4095\n");
  expect_output("$P encode -- --no_special", shell("printf %s --no_special | $P encode -").out);
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
  expect_complaint("$P encode --tokenizer missing a", 1, "missing:", "vocab.json", "merges.txt");
  expect_complaint("$P encode --tokenizer . a", 1, ".:", "tokenizer.json", "vocab.json", "merges.txt", "vocab.txt");
  expect_complaint("ln -s nowhere vocab.json; $P encode --tokenizer . a", 1, "./vocab.json", "link", "\"nowhere\"");
}

TEST(Gpt2tokenize, WrongCommandLines) {
  const auto expect_usage = [](const std::string& line, const auto&... words) { expect_complaint(line, 2, words...); };
  expect_usage("$P", "encode", "decode", "pack", "unpack");
  expect_usage("$P count a", "encode", "decode", "pack", "unpack", "\"count\"");
  expect_usage("$P encode", "encode:");
  expect_usage("$P pack --in a --out b", "pack:", "--t");
  expect_usage("$P pack --in a --t 4", "pack:", "--out");
  expect_usage("$P pack --t 0 --in a --out b", "pack:", "--t");
  expect_usage("$P pack --t -1 --in a --out b", "--t", "[0, 1048576]", "\"-1\"");
  expect_usage("$P unpack", "unpack:", "--in");
  expect_usage("$P encode --t 4 a", "encode:", "--t", "pack");
  expect_usage("$P encode a b", "encode:", "2");
  expect_usage("$P encode --bogus a", "--bogus", "--help");
  expect_usage("$P encode --tokeniser x a", "--tokeniser", "--tokenizer");
  expect_usage("$P encode --token x a", "--token", "--help");
  expect_usage("$P decode --top_k 1", "--top_k", "--help");
  expect_usage("$P encode a --tokenizer", "--tokenizer");
  expect_usage("$P encode -1", "-1", "--help");
}

TEST(Gpt2tokenize, WrongIds) {
  expect_complaint("$P decode 1 x 2", 2, "decode:", "\"x\"");
  expect_complaint("$P decode 12a", 2, "decode:", "\"12a\"");
  expect_complaint("echo 1 x | $P decode -", 1, "decode:", "\"x\"");
  expect_complaint("$P decode 4294967297", 2, "decode:", "4294967297", "[0, 4096)");
  expect_complaint("$P decode 1 4096", 2, "decode:", "4096", "[0, 4096)");
  expect_complaint("$P decode -- -1", 2, "decode:", "-1", "[0, 4096)");
  expect_complaint("printf 'a\\033[2J%0999d' 7 | $P decode -", 1,
                   "decode:", "\"a\\x1b[2J" + std::string(55, '0') + "...\"");
}

// What another program writes: T is not in the header, a line without text is a row of padding.
TEST(Gpt2tokenize, PacksAndUnpacksPromptSets) {
  const std::string pack = "printf 'Once upon\\na\\n' >p; $P pack --in p --t 3 --out s.bin && ";
  expect_output(
      pack + "stat -c %s s.bin; od -An -tu4 -N20 s.bin; od -An -tu2 -j1024 s.bin",
      "1036\n   20240520          1          6          3\n          0\n  2441   678  4095    64  4095  4095\n");
  expect_output(pack + "$P unpack --in s.bin", "Once upon\na\n");
  const std::string other = pack + "printf '\\0\\0\\0\\0' | dd of=s.bin bs=1 seek=12 conv=notrunc 2>/dev/null; ";
  expect_output(other + "$P unpack --in 's.b?n' --t 3", "Once upon\na\n");
  const Outcome unknown = shell(other + "$P unpack --in s.bin");
  EXPECT_THAT(unknown, IsRefusal(2, "s.bin", "--t"));
  expect_complaint("$P unpack --in nothing", 1, "--in \"nothing\"");
  expect_complaint("$P unpack --in - <&-", 1, "--in -", "standard input", "Bad file descriptor");
  expect_complaint(pack + "$P unpack --in p", 1, "p:");
  const std::string foreign = pack + "printf '\\377\\377' | dd of=s.bin bs=1 seek=1024 conv=notrunc 2>/dev/null; ";
  expect_complaint(foreign + "$P unpack --in s.bin", 1, "s.bin", "65535", "4095");
  expect_output(pack + "$P pack --in s.bin --t 5 --out wider.bin && $P unpack --in wider.bin", "Once upon\na\n");
}

TEST(Gpt2tokenize, WhatDoesNotFitARowIsNeverWritten) {
  const std::string long_line =
      "printf 'a\\nOnce upon a time\\n' >p; echo old >s.bin; $P pack --in p --t 3 --out s.bin";
  const Outcome refused = shell(long_line + "; echo $?; cat s.bin");
  EXPECT_EQ(refused.out, "1\nold\n");
  EXPECT_THAT(refused.err, IsMessage("gpt2tokenize: error", "p:2", "3", "4", "--truncate-prompt"));
  const Outcome cut = shell(long_line + " --truncate-prompt && $P unpack --in s.bin");
  EXPECT_EQ(cut.out, "a\n upon a time\n");
  EXPECT_THAT(cut.err, IsMessage("gpt2tokenize: warning", "p:2", "4", "3"));
  expect_complaint("echo 'a<|endoftext|>' >p; $P pack --in p --t 9 --out s.bin", 1, "p:1", "end-of-text");
  expect_output("echo 'a<|endoftext|>' >p; $P pack --in p --t 9 --no-special --out s.bin && $P unpack --in s.bin",
                "a<|endoftext|>\n");
  expect_complaint(
      "printf '%s' '{\"prompt\": \"a\\nb\"}' >p.jsonl; $P pack --in p.jsonl --t 9 --out s.bin && $P unpack --in s.bin",
      1, "s.bin", "row 1", "\"a\\nb\"");
}

TEST(Gpt2tokenize, WhatIsReadIsNeverWrittenOver) {
  const auto expect_refused = [&](const std::string& command, const std::string& path, const std::string& option) {
    expect_complaint("echo Once >p; " + command, 2, "--out", "\"" + path + "\"", option);
    EXPECT_EQ(shell("echo Once >p; " + command + "; cat p").out, "Once\n");
  };
  expect_refused("$P pack --in p --t 3 --out p", "p", "--in");
  expect_refused("ln -sf p link; $P pack --in 'p*' --t 3 --out link", "link", "--in");
  expect_refused("$P pack --in - --t 3 --out p <p", "p", "--in");
  expect_refused("cp -r '" + demo_folder().string() + "' m; $P pack --in p --t 3 --tokenizer m --out m/vocab.json",
                 "m/vocab.json", "--tokenizer");
}

TEST(Gpt2tokenize, AnyTruncationOfASetIsOneLine) {
  const Outcome cut = shell(
      "echo 'Once upon' >p; $P pack --in p --t 4 --out s.bin; for n in 0 1 3 4 5 15 16 1023 1024 1025 1031; do head -c "
      "$n "
      "s.bin >c.bin; $P unpack --in c.bin; echo $?; done; cat s.bin s.bin >c.bin; $P unpack --in c.bin; echo $?");
  std::string codes;
  for (int i = 0; i < 12; ++i) codes += "1\n";
  EXPECT_EQ(cut.out, codes);
  EXPECT_EQ(std::count(cut.err.begin(), cut.err.end(), '\n'), 12) << cut.err;
}

TEST(Gpt2tokenize, BrokenStreams) {
  expect_complaint("$P encode a >/dev/full", 1, "standard output", "No space left on device");
  expect_complaint("$P encode a >&-", 1, "standard output", "Bad file descriptor");
  expect_complaint("$P encode - <&-", 1, "encode:", "standard input", "Bad file descriptor");
  expect_complaint("$P encode - </", 1, "encode:", "standard input", "Is a directory");
  const Outcome closed = shell("{ yes | head -c 2000000 | $P encode -; echo $? >code; } | head -c 1; cat code");
  EXPECT_EQ(closed.out.substr(1), "1\n");
  EXPECT_THAT(closed.err, IsMessage("gpt2tokenize: error", "standard output", "Broken pipe"));
}

TEST(Gpt2tokenize, AnyEnvironment) { expect_output("env -i LC_ALL=nowhere $P encode 'Once upon'", "2441 678\n"); }

TEST(Gpt2tokenize, Help) {
  const Outcome result = shell("$P --help");
  EXPECT_EQ(result.code, 0);
  for (const char* word : {"encode", "decode", "  --tokenizer ", "  --no_special ", "  -h, --help "}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace gpt2run::test
