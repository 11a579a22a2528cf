// What cannot be done is refused with one clear line, and leaves nothing behind.
#include <gmock/gmock.h>
#include <unistd.h>

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
    {"PluginOptionWithoutItsPlugin", "gpt2run --precision cpu-fp32 -q --isa avx2", "nearest is --precision.isa", 2},
    {"UnknownPluginOption", "gpt2run -q --nucleus.tmp 1", "nearest is --nucleus.temp", 2},
    {"OptionThatNoPluginHas", "gpt2run -q -c a", "a: sampler.top_q; the nearest is --sampler.top_k", 2,
     "printf '[sampler]\ntop_q = 3\n' >a"},
    {"OptionOfAManifestThatNoPluginHas", "gpt2run -q -c a", "a: sampler.top_q; the nearest is --sampler.top_k", 2,
     "gpt2run -q -n 1 --sink null --manifest a && sed -i 's/\"seed\"/\"sampler.top_q\"/' a"},
    {"NulInAManifest", "gpt2run -q -c a", "a: expected JSON, found a NUL at byte", 1,
     "gpt2run -q -n 1 --sink null --manifest a && printf '\\0' >>a"},
    {"NulInAPromptFile", "gpt2run -q --prompts a.jsonl", "a.jsonl:1: expected JSON, found a NUL at byte 16", 1,
     "printf '{\"prompt\": \"a\"}\\0 b' >a.jsonl"},
    {"CommaInAnOptionName", "gpt2run -q --a,b", "unknown option --a,b; --help lists what there is", 2},
    {"CommaInAPluginsOption", "gpt2run -q --sampler.top,k=4", "unknown option --sampler.top,k;", 2},
    {"OnlyACommaAsAnOption", "gpt2run -q --, 1", "unknown option --,;", 2},
    {"StarInAnOptionName", "gpt2run -q --pro* a", "unknown option --pro*;", 2},
    {"Positional", "gpt2run -q hello", "unexpected argument \"hello\"", 2},
    {"MissingValue", "gpt2run -q --prompt", "--prompt: a value is missing", 2},
    {"NotANumber", "gpt2run -q --n_gen many", "--n_gen: expected a whole number in [1, 2147483647], found \"many\"", 2},
    {"OutOfRange", "gpt2run -q --top_p 1.5", "--top_p: expected a number in (0, 1], found \"1.5\"", 2},
    {"Negative", "gpt2run -q --temp -1", "--temp: expected a number in [0, inf)", 2},
    {"BadSeed", "gpt2run -q --seed 18446744073709551616", "--seed: expected a whole number", 2},
    {"BothLengths", "gpt2run -q -n 3 --n_gen 4", "give one of them", 2},
    {"UnknownSampler", "gpt2run -q --sampler nuclear", "nuclear", 2},
    {"UnknownPrecision", "gpt2run -q --precision fp17", "cpu-fp32", 2},
    {"UnknownPrecisionNearAType", "gpt2run -q --precision FP16", "did you mean \"fp16\"? (there is: fp32, fp16, bf16",
     2},
    {"UnknownSink", "gpt2run -q --sink printer", "text", 2},
    {"UnknownLoader", "gpt2run -q --loader floppy", "huggingface", 2},
    {"TwoPrecisions", "gpt2run -q --precision fp32,fp16", "--precision: expected one plugin, found 2", 2},
    {"SelectorBeforeTheEnd", "gpt2run -q --sampler argmax,nucleus", "argmax selects the token, so it must be the last",
     2},
    {"SinkTwice", "gpt2run -q --sink logits,logits", "logits is there twice", 2},
    {"StandardOutputTwice", "gpt2run -q --sink text,text:out=-", "text is there twice with the same options", 2},
    {"MissingModel", "gpt2run -q --model nowhere", "model nowhere: no such file or folder", 1},
    {"CopiedAwayFromTheDemoModel", "HOME=/ bin/gpt2run -q",
     "no model is named, and the demo model is not at its place beside this program, /", 1,
     "mkdir bin; cp $(command -v gpt2run) bin"},
    {"CopiedAwayFromThePlugins", "HOME=/ bin/gpt2run -q -m m",
     "model m: there is no loader to read it; plugins are looked for in --plugin-dir, ", 1,
     "mkdir bin; cp $(command -v gpt2run) bin"},
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
    {"FullDiskForHelp", "gpt2run -q --help >/dev/full", "standard output: cannot write: No space left on device", 1},
    {"FullDiskForAFile", "gpt2run -q --sink text:out=/dev/full", "/dev/full", 1},
    {"FullDiskForTheManifest", "gpt2run -q -n 1 --sink null --manifest /dev/full",
     "/dev/full: cannot write: No space left", 1},
    {"ManifestAndTextInOneFile", "gpt2run -q -n 1 --text.out a --manifest a",
     "--manifest and --text.out: both write to \"a\"", 2},
    {"OneFileByTwoSpellings", "gpt2run -q -n 1 --text.out ./b/../a --manifest $PWD/a",
     "--manifest and --text.out: both", 2, "echo old >a; mkdir b"},
    {"OneFileThroughALink", "gpt2run -q -n 1 --text.out a --manifest b", "--manifest and --text.out: both", 2,
     "ln -s a b"},
    {"OneFileThroughAHardLink", "gpt2run -q -n 1 --text.out a --manifest b", "--manifest and --text.out: both", 2,
     "echo old >a; ln a b"},
    {"TwoSinksInOneFile", "gpt2run -q -n 1 --sink text:out=a,text:out=./a", "--text.out and --text.out: both", 2},
    {"ManifestAndTextOnStandardOutput", "gpt2run -q -n 1 --manifest -", "both write to standard output", 2},
    {"ManifestOnTheFileOfStandardOutput", "gpt2run -q -n 1 --manifest b >a", "both write to standard output", 2,
     "true >a; ln -s a b"},
    {"ManifestOntoTheConfig", "gpt2run -q --config a --manifest a",
     "--manifest \"a\": expected a file that is not read", 2, "echo n_gen=2 >a"},
    {"TextOntoTheModel", "gpt2run -q -m m --text.out m/config.json", "found one of --model", 2,
     "cp -r " SOURCE_DIR "/models/demo m"},
    {"TextOntoTheModelThroughALink", "gpt2run -q -m m --text.out a", "found one of --model", 2,
     "cp -r " SOURCE_DIR "/models/demo m; ln -s m/model.safetensors a"},
    {"TextOntoTheTokenizer", "gpt2run -q --tokenizer m --text.out m/merges.txt", "found one of --tokenizer", 2,
     "cp -r " SOURCE_DIR "/models/demo m"},
    // The system does not find such a path, so nobody sees that it is the file that is read.
    {"BehindAFolderThatIsNotThere", "gpt2run -q --prompts a --text.out b/../a",
     "b/../a: cannot be opened for writing: No such file or directory", 1, "echo hello >a"},
    {"TextOntoStandardInput", "gpt2run -q -p - --text.out a <a", "found one of --prompt -", 2, "echo hello >a"},
    {"StandardInputTwice", "echo a | gpt2run -q -p - -p -", "given twice", 2},
    {"TopWithoutAValue", "gpt2run -q --sink jsonl --top", "--top: a value is missing", 2},
    {"TopBeforeAnotherOption", "gpt2run -q --sink jsonl --top --samples 2", "--top: a value is missing", 2},
    {"TopOutOfRange", "gpt2run -q --sink jsonl --top 1001", "--top: expected a whole number in [0, 1000]", 2},
    {"EchoNeitherOnNorOff", "gpt2run -q --echo perhaps", "--echo: expected on or off, found \"perhaps\"", 2},
    {"EchoWhereNothingHasIt", "gpt2run -q --sink null --echo", "--echo: no chosen plugin has this option", 2},
    {"TimingsInAFolder", "gpt2run -q --sink timings:name=a/b", "timings: name: expected no '/', found \"a/b\"", 1},
    {"EmptyOutput", "gpt2run -q --text.out ''", "--text.out: expected a path, found an empty text", 2},
    {"EmptyOutputFolder", "gpt2run -q --sink logits --logits.dir ''", "--logits.dir: expected a path", 2},
    {"FolderAsOutput", "gpt2run -q --text.out a", "a: cannot be opened for writing: Is a directory", 1, "mkdir a"},
    {"FolderToBeAsOutput", "gpt2run -q --text.out a/",
     "a/: cannot be opened for writing: expected a file, found a folder", 1},
    {"LoopAsOutput", "gpt2run -q --text.out a", "a: cannot be opened for writing: ", 1, "ln -s a a"},
    {"PipeThatNobodyReads", "gpt2run -q -n 1 --text.out a", "a: cannot be opened for writing: nobody reads this pipe",
     1, "mkfifo a"},
    {"ConfigFromAPipeThatNobodyWrites", "gpt2run -q -c a", "-c a: expected content, found a pipe that nobody writes", 1,
     "mkfifo a"},
    {"ManifestIntoAPipeThatNobodyReads", "gpt2run -q -n 1 --manifest a", "nobody reads this pipe", 1, "mkfifo a"},
    {"FileSizeLimit", "ulimit -f 1; gpt2run -q --sink logits",
     "saved_logits/generation_FP32_0.json: cannot write: File too", 1,
     "mkdir saved_logits; echo old >saved_logits/generation_FP32_0.json"},
    {"FileSizeLimitOfTheManifest",
     "ulimit -f 1; gpt2run -q -n 1 --sink null --prompt \"$(yes a | head -500)\" --manifest a",
     "a: cannot write: File too large", 1, "echo old >a"},
    {"CurrentFolderIsGone", "mkdir a; cd a; rmdir ../a; gpt2run -q -n 1 --text.out b",
     "b: cannot be opened for writing: No such file or directory", 1},
    {"StopThatIsNotUtf8", "gpt2run -q --stop $(printf '\\377')", "--stop: expected UTF-8, found \"\\xff\"", 2},
    {"UnwritableManifest", "gpt2run -q -n 1 --sink null --manifest /proc/a.json",
     "/proc/a.json: cannot be opened for writing", 1},
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
    {"SeedOfAConfig", "gpt2run -q -c a.ini", "a.ini: seed: expected a whole number in [0, 18446744073709551615]", 2,
     "echo seed=x >a.ini"},
    {"PluginsOfAConfig", "gpt2run -q -c a.ini", "a.ini: precision: expected one plugin, found 2", 2,
     "echo precision=fp32,fp16 >a.ini"},
    {"TokenOfAManifest", "gpt2run -q -c a", "a: prompts[0]: token id 99999: expected [0, 4096)", 1,
     "gpt2run -q -n 1 --sink null --manifest a && sed -i 's/4095/99999/' a"},
    {"MissingConfig", "gpt2run -q --config nowhere.ini", "nowhere.ini: cannot be read: No such file or directory", 1},
    {"MissingPluginFolder", "gpt2run -q --plugin-dir nowhere", "nowhere", 1},
    {"NoRoomForATable", "gpt2run -q --model synthetic:L=1,C=8,H=2,F=12,V=50,T=16 --tokens 1 --n_gen 17 --stop ''",
     "--stop", 2},
};

INSTANTIATE_TEST_SUITE_P(, BadInput, testing::ValuesIn(kBad), [](const auto& test) { return test.param.name; });

class Outputs : public Shell {};

TEST_F(Outputs, AReplacedFileKeepsItsMode) {
  const Outcome done = run(
      "umask 022; touch a m; chmod 600 a; chmod 664 m; gpt2run -q -n 1 --text.out a --manifest m && stat -c %a a m && "
      "gpt2run -q -n 1 --text.out new && stat -c %a new");
  EXPECT_EQ(done.out, "600\n664\n644\n") << done.err;
}

TEST_F(Outputs, ALinkStaysALink) {
  const Outcome done = run(
      "mkdir d; echo old >d/a; ln -s d/a link; ln -s d/new dangling; gpt2run -q -n 1 -p x --text.out link && "
      "gpt2run -q -n 1 --sink null --manifest dangling && readlink link dangling && head -c 1 d/a && head -c 1 d/new");
  EXPECT_EQ(done.out, "d/a\nd/new\nx{") << done.err;
}

TEST_F(Outputs, TheManifestMayGoToStandardOutput) {
  const Outcome done = run("gpt2run -q -n 1 --sink null --manifest - >a && gpt2run -q --config a");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(read_text(folder() / "a"), StartsWith("{"));
}

TEST_F(Outputs, StandardOutputByItsPathIsWrittenInPlace) {
  const Outcome pipe = run("gpt2run -q -n 1 -p x --text.out /dev/stdout | cat");
  EXPECT_THAT(pipe.out, StartsWith("x")) << pipe.err;
  const Outcome file = run("{ echo first; gpt2run -q -n 1 -p x --text.out /dev/stdout; echo last; } >a; cat a");
  EXPECT_THAT(file.out, testing::MatchesRegex("first\nx[^\n]*\nlast\n")) << file.err;
}

TEST_F(Outputs, DevicesTakeSeveral) {
  EXPECT_EQ(run("gpt2run -q -n 1 --text.out /dev/null --manifest /dev/null").code, 0);
}

TEST_F(Outputs, AnUnwritableFileIsKnownBeforeTheRun) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write any file";
  const Outcome done = run("echo old >a; chmod 400 a; gpt2run -q -n 1 --manifest a; cat a");
  EXPECT_EQ(done.out, "old\n");
  EXPECT_THAT(done.err, HasSubstr("a: cannot be opened for writing: Permission denied"));
}

TEST_F(Outputs, LongNamesAreFine) {
  const std::string name(250, 'a');
  EXPECT_EQ(run("gpt2run -q -n 1 --text.out " + name).code, 0);
  EXPECT_EQ(entries(), 1u);
}

// A reader that reads nothing and a writer that writes nothing: whoever waits for them can be told to stop.
class StuckPipe : public Shell {};

TEST_F(StuckPipe, AWaitForAReaderCanBeInterrupted) {
  // The manifest is more than a pipe holds. The tokens are there before it is written.
  const Outcome done = run(
      "mkfifo p; sleep 600 <p & reader=$!; yes '{\"tokens\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}' | head -2000 "
      ">b.jsonl; env --default-signal=INT gpt2run -q -m synthetic:L=1,C=8,H=2,F=12,V=50,T=16 -n 1 --sink tokens:out=a "
      "--prompts b.jsonl --manifest p & until [ -e a ]; do sleep 0.05; done; kill -INT $!; wait $!; code=$?; kill "
      "$reader; rm a b.jsonl p; exit $code");
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.err, "gpt2run: error: p: cannot write: Interrupted system call\n");
  EXPECT_EQ(entries(), 0u);
}

TEST_F(StuckPipe, AWaitForAWriterCanBeInterrupted) {
  for (const char* program : {"gpt2perplexity -q --text p 3<>p", "gpt2compare -q --prompt - 3<>p <p"}) {
    ASSERT_EQ(run("mkfifo p").code, 0);
    const Outcome done = run_interrupted(program);
    std::filesystem::remove(folder() / "p");
    EXPECT_EQ(done.code, 1) << program;
    EXPECT_THAT(done.err, HasSubstr("cannot be read: Interrupted system call\n")) << program;
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  }
}

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
