// What cannot be done is refused with one clear line, and leaves nothing behind.
#include <gmock/gmock.h>

#include "apps/shell.hpp"

namespace gpt2run {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Bad {
  const char *name, *command, *line;  // line: part of the message
  int code;
  const char* before = "true";  // lays out the folder; the run leaves it as it is
};

class BadInput : public Shell, public testing::WithParamInterface<Bad> {
 protected:
  // Names, modes, targets of links and bytes of everything in the folder.
  std::string content() const {
    return run("find . -mindepth 1 -printf '%p %m %l\\n' | sort; cat $(find . -type f | sort)").out;
  }
};

TEST_P(BadInput, IsOneLineAndNothingIsLeft) {
  const Bad& bad = GetParam();
  ASSERT_EQ(run(bad.before).code, 0);
  const std::string found = content();
  const Outcome done = run(bad.command);
  EXPECT_EQ(done.code, bad.code) << done.err;
  EXPECT_THAT(done.err, StartsWith("gpt2run: error: "));
  EXPECT_THAT(done.err, HasSubstr(bad.line));
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  EXPECT_EQ(content(), found);
}

constexpr Bad kBad[] = {
    {"UnknownFlag", "gpt2run -q --promt a", "unknown option --promt; the nearest is --prompt", 2},
    {"UnknownPluginOption", "gpt2run -q --nucleus.tmp 1", "nearest is --nucleus.temp", 2},
    {"Positional", "gpt2run -q hello", "unexpected argument \"hello\"", 2},
    {"MissingValue", "gpt2run -q --prompt", "--prompt: a value is missing", 2},
    {"NotANumber", "gpt2run -q --n_gen many", "--n_gen: expected a whole number in [1, 2147483647], found \"many\"", 2},
    {"OutOfRange", "gpt2run -q --top_p 1.5", "--top_p: expected a number in (0, 1], found \"1.5\"", 2},
    {"Negative", "gpt2run -q --temp -1", "--temp: expected a number in [0, inf)", 2},
    {"BadSeed", "gpt2run -q --seed 18446744073709551616", "--seed: expected a whole number", 2},
    {"BothLengths", "gpt2run -q -n 3 --n_gen 4", "give one of them", 2},
    {"UnknownSampler", "gpt2run -q --sampler nuclear", "nuclear", 2},
    {"UnknownPrecision", "gpt2run -q --precision fp17", "cpu-fp32", 2},
    {"UnknownSink", "gpt2run -q --sink printer", "text", 2},
    {"UnknownLoader", "gpt2run -q --loader floppy", "huggingface", 2},
    {"TwoPrecisions", "gpt2run -q --precision fp32,fp16", "--precision: expected one plugin, found 2", 2},
    {"SelectorBeforeTheEnd", "gpt2run -q --sampler argmax,nucleus", "argmax selects the token, so it must be the last",
     2},
    {"SinkTwice", "gpt2run -q --sink logits,logits", "logits is there twice", 2},
    {"StandardOutputTwice", "gpt2run -q --sink text,text:out=-", "both write to standard output", 2},
    {"MissingModel", "gpt2run -q --model nowhere", "model nowhere: no such file or folder", 1},
    {"EmptyFolderAsModel", "gpt2run -q --model .", "config.json", 1},
    {"WrongLoader", "gpt2run -q --loader synthetic --model nowhere", "nowhere", 1},
    {"MissingTokenizer", "gpt2run -q --tokenizer nowhere", "nowhere", 1},
    {"TokenizerTooLarge",
     "gpt2run -q --model synthetic:L=1,C=8,H=2,F=12,V=50,T=16 --tokenizer " SOURCE_DIR "/models/demo",
     "expected at most 50 tokens, the model's vocabulary, found 4096", 1},
    {"NoTokenizer", "gpt2run -q --model synthetic:L=1,C=8,H=2,F=12,V=50,T=16 --prompt a", "the model has no tokenizer",
     1},
    {"TokenOutOfRange", "gpt2run -q --tokens '1 4096'", "token id 4096: expected [0, 4096)", 1},
    {"NegativeToken", "gpt2run -q --tokens=-1", "token id -1: expected [0, 4096)", 1},
    {"NoTokens", "gpt2run -q --tokens ' , '", "expected token ids, found none", 2},
    {"NotTokens", "gpt2run -q --tokens '1 two'", "expected token ids, found \"two\"", 2},
    {"EmptyPrompt", "gpt2run -q --prompt ''", "--prompt: expected a text, found an empty one", 2},
    {"EmptyStandardInput", "gpt2run -q --prompt - </dev/null", "standard input is empty", 1},
    {"ClosedStandardInput", "gpt2run -q --prompt - <&-", "standard input cannot be read", 1},
    {"FolderAsStandardInput", "gpt2run -q --prompt - </", "standard input cannot be read: Is a directory", 1},
    {"PromptTooLong", "yes a | head -2000 | gpt2run -q --prompt -", "the model's context holds 1024", 1},
    {"ClosedStandardOutput", "gpt2run -q --prompt a >&-", "standard output: cannot write: Bad file descriptor", 1},
    // The file must not become standard output by taking its number.
    {"ClosedStandardOutputBesideAFile", "gpt2run -q --prompt a --sink text,text:out=file >&-",
     "standard output: cannot write: Bad file descriptor", 1},
    {"FullDisk", "gpt2run -q --prompt a >/dev/full", "standard output: cannot write: No space left on device", 1},
    {"FullDiskForHelp", "gpt2run -q --help >/dev/full", "standard output cannot be written", 1},
    {"FullDiskForAFile", "gpt2run -q --sink text:out=/dev/full", "/dev/full", 1},
    {"FullDiskForTheManifest", "gpt2run -q -n 1 --sink null --manifest /dev/full",
     "/dev/full: cannot be written: No space left", 1},
    {"UnwritableManifest", "gpt2run -q -n 1 --sink null --manifest /proc/a.json", "/proc/a.json: cannot be written", 1},
    {"UnwritableFolder", "gpt2run -q --sink logits:dir=/proc/a", "/proc/a", 1},
    {"ReadOnlyCurrentFolder", "cd /proc && gpt2run -q --sink logits", "saved_logits", 1},
    {"NotANumberAtAll", "gpt2run -q --temp 1e-400", "expected a number that a double can hold in [0, inf)", 2},
    {"LineEndInAName", "gpt2run -q --model 'a\n\x1b[2J'", "model a\\n\\x1b[2J: no such file", 1},
    {"LongValue", "gpt2run -q --n_gen $(printf '%0999d' 7)x", "0000...\"\n", 2},
    {"LongName", "gpt2run -q --$(printf '%0999d' 7) 1", "unknown option --0000", 2},
    {"LongPlugin", "gpt2run -q --sampler $(printf '%0999d' 7)", "0000...\" (there is: argmax, ", 2},
    {"DeviceWithoutAName", "gpt2run -q --sampler device-", "expected the name of a sampler after \"device-\"", 2},
    {"GivenTwiceBehindAName", "gpt2run -q --sampler nucleus:temp=1:temp=2", "nucleus:temp: given twice", 2},
    {"EmptyModel", "gpt2run -q --model ''", "--model: expected a text, found an empty one", 2},
    {"EmptyTokenizer", "gpt2run -q --tokenizer ''", "--tokenizer: expected a text", 2},
    {"EmptyManifest", "gpt2run -q --manifest ''", "--manifest: expected a text", 2},
    {"EmptyConfig", "gpt2run -q -c ''", "-c: expected a text", 2},
    {"EmptyPluginFolder", "gpt2run -q --plugin_dir ''", "--plugin-dir: expected a folder, found an empty text", 2},
    {"EmptyPluginFolderInAFile", "gpt2run -q -c a.ini", "--plugin-dir: expected a folder, found an empty text", 2,
     "echo plugin_dir= >a.ini"},
    {"FileAsPluginFolder", "gpt2run -q --plugin_dir a", "--plugin-dir: a is no folder", 1, "touch a"},
    {"LoopAsPluginFolder", "gpt2run -q --plugin_dir a", "Too many levels of symbolic links", 1, "ln -s a a"},
    {"LineOfAnIniFile", "gpt2run -q -c a.ini", "a.ini: line 3: expected key = value or [section], found \"hello", 2,
     "printf 'seed = 1\n# a\n  hello \x1b # b\n' >a.ini"},
    {"EndlessConfig", "gpt2run -q -c /dev/zero", "/dev/zero: expected at most 268435456 bytes", 1},
    {"MissingConfig", "gpt2run -q --config nowhere.ini", "nowhere.ini: cannot be read: No such file or directory", 1},
    {"MissingPluginFolder", "gpt2run -q --plugin-dir nowhere", "nowhere", 1},
    {"NoRoomForATable", "gpt2run -q --model synthetic:L=1,C=8,H=2,F=12,V=50,T=16 --tokens 1 --n_gen 17 --stop ''",
     "--stop", 2},
};

INSTANTIATE_TEST_SUITE_P(, BadInput, testing::ValuesIn(kBad), [](const auto& test) { return test.param.name; });

class ClosedPipe : public Shell {};

TEST_F(ClosedPipe, EndsTheRunWithOneLine) {
  // The reader is gone before the first byte: the run waits for it to be.
  const Outcome done =
      run("{ sleep 0.2; gpt2run -q --prompt a; echo $? >code; } 2>err | true; cat code; cat err >&2; rm code err");
  EXPECT_EQ(done.out, "1\n");
  EXPECT_EQ(done.err, "gpt2run: error: standard output: cannot write: Broken pipe\n");
}

}  // namespace
}  // namespace gpt2run
