// What cannot be done is refused with one clear line, and leaves nothing behind.
#include <gmock/gmock.h>
#include <unistd.h>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::IsMessage;
using test::IsRefusal;
using testing::StartsWith;

struct Bad {
  const char *name, *command;
  test::Words words;  // of the message
  int code;
  const char* before = "true";  // lays out the folder; the run leaves it as it is
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.command; }

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
  EXPECT_THAT(done, IsRefusal(bad.code, bad.words));
  EXPECT_EQ(content(), found);
}

const Bad kBad[] = {
    {"UnknownFlag", "gpt2run -q --promt a", {"--promt", "--prompt"}, 2},
    {"PluginOptionWithoutItsPlugin", "gpt2run --precision cpu-fp32 -q --isa avx2", {"--isa", "--precision.isa"}, 2},
    {"UnknownPluginOption", "gpt2run -q --nucleus.tmp 1", {"--nucleus.tmp", "--nucleus.temp"}, 2},
    {"OptionThatNoPluginHas",
     "gpt2run -q -c a",
     {"a:", "sampler.top_q", "--sampler.top_k"},
     2,
     "printf '[sampler]\ntop_q = 3\n' >a"},
    {"OptionOfAManifestThatNoPluginHas",
     "gpt2run -q -c a",
     {"a:", "sampler.top_q", "--sampler.top_k"},
     2,
     "gpt2run -q -n 1 --sink null --manifest a && sed -i 's/\"seed\"/\"sampler.top_q\"/' a"},
    {"NulInAManifest", "gpt2run -q -c a", {"a:", "NUL", "3"}, 1, "printf '{}\\0' >a"},
    {"NulInAPromptFile",
     "gpt2run -q --prompts a.jsonl",
     {"a.jsonl:1", "NUL", "16"},
     1,
     "printf '{\"prompt\": \"a\"}\\0 b' >a.jsonl"},
    {"Utf16Prompts", "gpt2run -q --prompts a", {"a:", "UTF-16", "iconv"}, 1, "printf '\377\376h\\0i\\0' >a"},
    {"JsonDocumentAsPrompts",
     "gpt2run -q --prompts a.json",
     {"a.json", ".jsonl"},
     1,
     "echo '[{\"prompt\": \"a\"}]' >a.json"},
    {"OneOptionByTwoNames", "gpt2run -q -n 3 --max-tokens 4", {"--max-tokens", "-n"}, 2},
    {"ZeroBytesInPrompts", "gpt2run -q --prompts a", {"a:2", "UTF-16"}, 1, "printf 'a\nh\\0i\\0' >a"},
    {"HalfOfASurrogatePair",
     "gpt2run -q --prompts a.jsonl",
     {"a.jsonl:1", "surrogate", "20"},
     1,
     "printf '{\"prompt\": \"a\\\\ud83d\"}' >a.jsonl"},
    {"StopWithAnUnknownEscape", "gpt2run -q -n 1 --stop '\\x'", {"--stop", "\\n", "\\x"}, 2},
    {"OptionOfAnotherTool", "gpt2run -q --num-beams 4", {"--num-beams", "--samples"}, 2},
    {"OptionOfASamplerOfAnotherTool",
     "gpt2run -q --repeat-penalty 2",
     {"--repeat-penalty", "--sampler repetition-penalty,nucleus"},
     2},
    {"LengthThatThePromptFills", "gpt2run -q --tokens '1 2 3' --n_gen 3", {"prompt 0", "--n_gen 3", "-n 3"}, 1},
    {"ContextShiftAsLongAsTheContext",
     "gpt2run -q -m synthetic:L=1,C=8,H=2,F=12,V=50,T=16 --tokens 1 --context-shift 16",
     {"--context-shift", "16"},
     2},
    {"ContextShiftBesideRecompute", "gpt2run -q --recompute --context-shift 5", {"--context-shift", "--recompute"}, 2},
    {"CommaInAnOptionName", "gpt2run -q --a,b", {"--a,b", "--help"}, 2},
    {"CommaInAPluginsOption", "gpt2run -q --sampler.top,k=4", {"--sampler.top,k"}, 2},
    {"OnlyACommaAsAnOption", "gpt2run -q --, 1", {"--,"}, 2},
    {"StarInAnOptionName", "gpt2run -q --pro* a", {"--pro*"}, 2},
    {"Positional", "gpt2run -q hello", {"\"hello\""}, 2},
    {"MissingValue", "gpt2run -q --prompt", {"--prompt"}, 2},
    {"NotANumber", "gpt2run -q --n_gen many", {"--n_gen", "[1, 2147483647]", "\"many\""}, 2},
    {"OutOfRange", "gpt2run -q --top_p 1.5", {"--top_p", "(0, 1]", "\"1.5\""}, 2},
    {"Negative", "gpt2run -q --temp -1", {"--temp", "[0, inf)", "\"-1\""}, 2},
    {"BadSeed", "gpt2run -q --seed 18446744073709551616", {"--seed", "\"18446744073709551616\""}, 2},
    {"BothLengths", "gpt2run -q -n 3 --n_gen 4", {"--n_gen", "--max-new-tokens"}, 2},
    {"StopWithoutATokenizer",
     "gpt2run -q --model synthetic:L=1,C=8,H=1,V=300,T=16 --tokens 0 -n 3 --stop foo --sink jsonl",
     {"--stop", "--tokenizer"},
     1},
    {"UnknownSampler", "gpt2run -q --sampler nuclear", {"sampler", "\"nuclear\"", "\"nucleus\""}, 2},
    {"UnknownPrecision", "gpt2run -q --precision fp17", {"precision", "\"fp17\"", "cpu-fp32"}, 2},
    {"UnknownPrecisionNearAType",
     "gpt2run -q --precision FP16",
     {"precision", "\"FP16\"", "\"fp16\"", "fp32, fp16, bf16"},
     2},
    {"UnknownSink", "gpt2run -q --sink printer", {"sink", "\"printer\"", "text"}, 2},
    {"UnknownLoader", "gpt2run -q --loader floppy", {"loader", "\"floppy\"", "huggingface"}, 2},
    {"TwoPrecisions", "gpt2run -q --precision fp32,fp16", {"--precision", "2"}, 2},
    {"SelectorBeforeTheEnd", "gpt2run -q --sampler argmax,nucleus", {"argmax"}, 2},
    {"SinkTwice", "gpt2run -q --sink logits,logits", {"logits"}, 2},
    {"StandardOutputTwice", "gpt2run -q --sink text,text:out=-", {"text"}, 2},
    {"MissingModel", "gpt2run -q --model nowhere", {"model nowhere"}, 1},
    {"CopiedAwayFromTheDemoModel",
     "HOME=/ bin/gpt2run -q",
     {"demo model", "share/gpt2run/models/demo"},
     1,
     "mkdir bin; cp $(command -v gpt2run) bin"},
    {"CopiedAwayFromThePlugins",
     "HOME=/ bin/gpt2run -q -m m",
     {"model m", "--plugin-dir"},
     1,
     "mkdir bin; cp $(command -v gpt2run) bin"},
    {"EmptyFolderAsModel", "gpt2run -q --model .", {"config.json"}, 1},
    {"ModelIsALoop", "gpt2run -q --model loop", {"model loop", "link"}, 1, "ln -s loop loop"},
    {"ModelIsALinkToNothing", "gpt2run -q --model link", {"model link", "link"}, 1, "ln -s gone link"},
    {"WrongLoader", "gpt2run -q --loader synthetic --model nowhere", {"nowhere", "synthetic"}, 1},
    {"MissingTokenizer", "gpt2run -q --tokenizer nowhere", {"nowhere"}, 1},
    {"TokenizerTooLarge",
     "gpt2run -q --model synthetic:L=1,C=8,H=2,F=12,V=50,T=16 --tokenizer " SOURCE_DIR "/models/demo",
     {"50", "4096"},
     1},
    {"NoTokenizer", "gpt2run -q --model synthetic:L=1,C=8,H=2,F=12,V=50,T=16 --prompt a", {"tokenizer"}, 1},
    {"TokenOutOfRange", "gpt2run -q --tokens '1 4096'", {"4096", "[0, 4096)"}, 2},
    {"NegativeToken", "gpt2run -q --tokens=-1", {"-1", "[0, 4096)"}, 2},
    {"NoTokens", "gpt2run -q --tokens ' , '", {"--tokens"}, 2},
    {"NotTokens", "gpt2run -q --tokens '1 two'", {"--tokens", "\"two\""}, 2},
    {"EmptyPrompt", "gpt2run -q --prompt ''", {"--prompt"}, 2},
    {"EmptyStandardInput", "gpt2run -q --prompt - </dev/null", {"standard input"}, 1},
    {"ClosedStandardInput", "gpt2run -q --prompt - <&-", {"standard input", "Bad file descriptor"}, 1},
    {"FolderAsStandardInput", "gpt2run -q --prompt - </", {"standard input", "Is a directory"}, 1},
    {"PromptTooLong", "yes a | head -2000 | gpt2run -q --prompt -", {"1024"}, 1},
    {"ClosedStandardOutput", "gpt2run -q --prompt a >&-", {"standard output", "Bad file descriptor"}, 1},
    // The file must not become standard output by taking its number.
    {"ClosedStandardOutputBesideAFile",
     "gpt2run -q --prompt a --sink text,text:out=file >&-",
     {"standard output", "Bad file descriptor"},
     1},
    {"FullDisk", "gpt2run -q --prompt a >/dev/full", {"standard output", "No space left on device"}, 1},
    {"FullDiskForHelp", "gpt2run -q --help >/dev/full", {"standard output", "No space left on device"}, 1},
    {"FullDiskForAFile", "gpt2run -q --sink text:out=/dev/full", {"/dev/full", "No space left on device"}, 1},
    {"FullDiskForTheManifest",
     "gpt2run -q -n 1 --sink null --manifest /dev/full",
     {"/dev/full", "No space left on device"},
     1},
    {"ManifestAndTextInOneFile", "gpt2run -q -n 1 --text.out a --manifest a", {"--manifest", "--text.out", "\"a\""}, 2},
    {"OneFileByTwoSpellings",
     "gpt2run -q -n 1 --text.out ./b/../a --manifest $PWD/a",
     {"--manifest", "--text.out"},
     2,
     "echo old >a; mkdir b"},
    {"OneFileThroughALink", "gpt2run -q -n 1 --text.out a --manifest b", {"--manifest", "--text.out"}, 2, "ln -s a b"},
    {"OneFileThroughAHardLink",
     "gpt2run -q -n 1 --text.out a --manifest b",
     {"--manifest", "--text.out"},
     2,
     "echo old >a; ln a b"},
    {"TwoSinksInOneFile", "gpt2run -q -n 1 --sink text:out=a,text:out=./a", {"--text.out"}, 2},
    {"ManifestAndTextOnStandardOutput",
     "gpt2run -q -n 1 --manifest -",
     {"--manifest", "--text.out", "standard output"},
     2},
    {"ManifestOnTheFileOfStandardOutput",
     "gpt2run -q -n 1 --manifest b >a",
     {"--manifest", "--text.out", "standard output"},
     2,
     "true >a; ln -s a b"},
    {"ManifestOntoTheConfig",
     "gpt2run -q --config a --manifest a",
     {"--manifest", "\"a\"", "--config"},
     2,
     "echo n_gen=2 >a"},
    {"TextOntoTheModel",
     "gpt2run -q -m m --text.out m/config.json",
     {"--text.out", "\"m/config.json\"", "--model"},
     2,
     "cp -r " SOURCE_DIR "/models/demo m"},
    {"TextOntoTheModelThroughALink",
     "gpt2run -q -m m --text.out a",
     {"--text.out", "\"a\"", "--model"},
     2,
     "cp -r " SOURCE_DIR "/models/demo m; ln -s m/model.safetensors a"},
    {"TextOntoTheTokenizer",
     "gpt2run -q --tokenizer m --text.out m/merges.txt",
     {"--text.out", "\"m/merges.txt\"", "--tokenizer"},
     2,
     "cp -r " SOURCE_DIR "/models/demo m"},
    // The system does not find such a path, so nobody sees that it is the file that is read.
    {"BehindAFolderThatIsNotThere",
     "gpt2run -q --prompts a --text.out b/../a",
     {"b/../a:", "No such file or directory"},
     1,
     "echo hello >a"},
    {"TextOntoStandardInput",
     "gpt2run -q -p - --text.out a <a",
     {"--text.out", "\"a\"", "--prompt -"},
     2,
     "echo hello >a"},
    {"StandardInputTwice", "echo a | gpt2run -q -p - -p -", {"--prompt -"}, 2},
    {"TopWithoutAValue", "gpt2run -q --sink jsonl --top", {"--top"}, 2},
    {"TopBeforeAnotherOption", "gpt2run -q --sink jsonl --top --samples 2", {"--top"}, 2},
    {"TopOutOfRange", "gpt2run -q --sink jsonl --top 1001", {"--top", "[0, 1000]", "\"1001\""}, 2},
    {"EchoNeitherOnNorOff", "gpt2run -q --echo perhaps", {"--echo", "\"perhaps\""}, 2},
    {"EchoWhereNothingHasIt", "gpt2run -q --sink null --echo", {"--echo", "sink null"}, 2},
    {"TimingsInAFolder", "gpt2run -q --sink timings:name=a/b", {"timings", "name", "\"a/b\""}, 2},
    {"OperationThatThereIsNot", "gpt2run -q --sink taps:ops=abc", {"taps", "ops", "\"abc\""}, 2},
    {"PositionsThatAreNone", "gpt2run -q --sink lens:positions=abc", {"lens", "positions", "\"abc\""}, 2},
    {"EmptyOutput", "gpt2run -q --text.out ''", {"--text.out"}, 2},
    {"EmptyOutputFolder", "gpt2run -q --sink logits --logits.dir ''", {"--logits.dir"}, 2},
    {"FolderAsOutput", "gpt2run -q --text.out a", {"a:", "Is a directory"}, 1, "mkdir a"},
    {"FolderToBeAsOutput", "gpt2run -q --text.out a/", {"a/:", "folder"}, 1},
    {"LoopAsOutput", "gpt2run -q --text.out a", {"a:"}, 1, "ln -s a a"},
    {"PipeThatNobodyReads", "gpt2run -q -n 1 --text.out a", {"a:", "pipe"}, 1, "mkfifo a"},
    {"ConfigFromAPipeThatNobodyWrites", "gpt2run -q -c a", {"-c a", "pipe"}, 1, "mkfifo a"},
    {"ManifestIntoAPipeThatNobodyReads", "gpt2run -q -n 1 --manifest a", {"a:", "pipe"}, 1, "mkfifo a"},
    {"FileSizeLimit",
     "ulimit -f 1; gpt2run -q --sink logits",
     {"saved_logits/generation_FP32_0.json", "File too large"},
     1,
     "mkdir saved_logits; echo old >saved_logits/generation_FP32_0.json"},
    {"FileSizeLimitOfTheManifest",
     "ulimit -f 1; gpt2run -q -n 1 --sink null --prompt \"$(yes a | head -500)\" --manifest a",
     {"a:", "File too large"},
     1,
     "echo old >a"},
    {"CurrentFolderIsGone",
     "mkdir a; cd a; rmdir ../a; gpt2run -q -n 1 --text.out b",
     {"b:", "No such file or directory"},
     1},
    {"StopThatIsNotUtf8", "gpt2run -q --stop $(printf '\\377')", {"--stop", "\"\\xff\""}, 2},
    {"UnwritableManifest", "gpt2run -q -n 1 --sink null --manifest /proc/a.json", {"/proc/a.json"}, 1},
    {"UnwritableFolder", "gpt2run -q --sink logits:dir=/proc/a", {"/proc/a"}, 1},
    {"ReadOnlyCurrentFolder", "cd /proc && gpt2run -q --sink logits", {"saved_logits"}, 1},
    {"NotANumberAtAll", "gpt2run -q --temp 1e-400", {"--temp", "[0, inf)", "\"1e-400\""}, 2},
    {"LineEndInAName", "gpt2run -q --model 'a\n\x1b[2J'", {"a\\n\\x1b[2J"}, 1},
    {"LongValue", "gpt2run -q --n_gen $(printf '%0999d' 7)x", {"--n_gen", "...\""}, 2},
    {"LongName", "gpt2run -q --$(printf '%0999d' 7) 1", {"..."}, 2},
    {"LongPlugin", "gpt2run -q --sampler $(printf '%0999d' 7)", {"sampler", "...\""}, 2},
    {"DeviceWithoutAName", "gpt2run -q --sampler device-", {"device-"}, 2},
    {"GivenTwiceBehindAName", "gpt2run -q --sampler nucleus:temp=1:temp=2", {"nucleus:temp"}, 2},
    {"EmptyModel", "gpt2run -q --model ''", {"--model"}, 2},
    {"EmptyTokenizer", "gpt2run -q --tokenizer ''", {"--tokenizer"}, 2},
    {"AListAsConfiguration", "gpt2run -q --config a.json", {"a.json", "object"}, 1, "echo '[1]' >a.json"},
    {"EmptyManifest", "gpt2run -q --manifest ''", {"--manifest"}, 2},
    {"EmptyConfig", "gpt2run -q -c ''", {"-c"}, 2},
    {"EmptyPluginFolder", "gpt2run -q --plugin_dir ''", {"--plugin-dir"}, 2},
    {"EmptyPluginFolderInAFile", "gpt2run -q -c a.ini", {"--plugin-dir"}, 2, "echo plugin_dir= >a.ini"},
    {"FileAsPluginFolder", "gpt2run -q --plugin_dir a", {"--plugin-dir", "a"}, 1, "touch a"},
    {"LoopAsPluginFolder", "gpt2run -q --plugin_dir a", {"--plugin-dir", "a"}, 1, "ln -s a a"},
    {"LineOfAnIniFile",
     "gpt2run -q -c a.ini",
     {"a.ini", "line 3", "\"hello"},
     2,
     "printf 'seed = 1\n# a\n  hello \x1b # b\n' >a.ini"},
    {"EndlessConfig", "gpt2run -q -c /dev/zero", {"/dev/zero", "268435456"}, 1},
    {"SeedOfAConfig",
     "gpt2run -q -c a.ini",
     {"a.ini", "seed", "[0, 18446744073709551615]", "\"x\""},
     2,
     "echo seed=x >a.ini"},
    {"PluginsOfAConfig", "gpt2run -q -c a.ini", {"a.ini", "precision", "2"}, 2, "echo precision=fp32,fp16 >a.ini"},
    {"TokenOfAManifest",
     "gpt2run -q -c a",
     {"a:", "prompts[0]", "99999", "[0, 4096)"},
     1,
     "gpt2run -q -n 1 --sink null --manifest a && sed -i 's/4095/99999/' a"},
    {"MissingConfig", "gpt2run -q --config nowhere.ini", {"nowhere.ini", "No such file or directory"}, 1},
    {"MissingPluginFolder", "gpt2run -q --plugin-dir nowhere", {"--plugin-dir", "nowhere"}, 1},
    {"NoRoomForATable",
     "gpt2run -q --model synthetic:L=1,C=8,H=2,F=12,V=50,T=16 --tokens 1 --n_gen 17 --stop ''",
     {"--stop"},
     2},
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
  EXPECT_THAT(done.err, IsMessage("a:", "Permission denied"));
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
  EXPECT_THAT(done, IsRefusal(1, "interrupted", "p:"));
  EXPECT_EQ(entries(), 0u);
}

TEST_F(StuckPipe, AWaitForAWriterCanBeInterrupted) {
  for (const char* program : {"gpt2perplexity -q --text p 3<>p", "gpt2compare -q --prompt - 3<>p <p"}) {
    ASSERT_EQ(run("mkfifo p").code, 0);
    const Outcome done = run_interrupted(program);
    std::filesystem::remove(folder() / "p");
    EXPECT_THAT(done, IsRefusal(1, "interrupted")) << program;
  }
}

TEST_F(StuckPipe, AClosedTerminalInterruptsAsWell) {
  ASSERT_EQ(run("mkfifo p").code, 0);
  const Outcome done = run_interrupted("gpt2perplexity -q --text p 3<>p", "HUP");
  std::filesystem::remove(folder() / "p");
  EXPECT_THAT(done, IsRefusal(1, "interrupted"));
}

class ClosedPipe : public Shell {};

TEST_F(ClosedPipe, EndsTheRunWithOneLine) {
  // The reader is gone before the first byte: the run waits for it to be.
  const Outcome done =
      run("{ sleep 0.2; gpt2run -q --prompt a; echo $? >code; } 2>err | true; cat code; cat err >&2; rm code err");
  EXPECT_EQ(done.out, "1\n");
  EXPECT_THAT(done.err, IsMessage("standard output", "Broken pipe"));
}

}  // namespace
}  // namespace gpt2run
