// gpt2run as a user types it: what goes where, repeating a run, configuration files, stop texts, --explain.
#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <vector>

#include "apps/shell.hpp"
#include "gpt2run/plugin.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::HasMessage;
using test::IsMessage;
using test::IsRefusal;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Gpt2run : public Shell {};

// "Once upon a time" and its greedy continuation, from models/demo/README.md.
constexpr char kGreedyTokens[] = "2441 678 258 529 450 307 258 427 401 340 258 857 11 269 275 307 359 836 317 275";

TEST_F(Gpt2run, TheCommandThatIsAlwaysThere) {
  const Outcome done = run("gpt2run --precision fp16 --sampler device-nucleus --sink logits");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "");
  EXPECT_THAT(done.err, HasSubstr("saved_logits/generation_FP16_0.json"));
  EXPECT_THAT(done.err, HasSubstr("64 new tokens after 1, "));
  EXPECT_THAT(done.err, HasSubstr(" GB/s of weights, "));
  EXPECT_THAT(done.err, HasSubstr(" ms to the first token\n"));
  EXPECT_THAT(read_text(folder() / "saved_logits/generation_FP16_0.json"), StartsWith("["));
  EXPECT_EQ(entries(), 2u);  // the folder and its file: nothing temporary stays
}

TEST_F(Gpt2run, GreedyTextIsTheModelCards) {
  const Outcome text = run("gpt2run --sampler argmax --prompt 'Once upon a time' --n_gen 20");
  const Outcome card = run(std::string("gpt2tokenize decode ") + kGreedyTokens);
  ASSERT_EQ(text.code, 0) << text.err;
  ASSERT_EQ(card.code, 0) << card.err;
  EXPECT_THAT(text.out, StartsWith("Once upon a time"));
  EXPECT_EQ(text.out, card.out + "\n");
}

TEST_F(Gpt2run, TheSeedDecidesTheText) {
  const std::string command = "gpt2run -q -n 24 --temp 1.5 --top_k 0 --top_p 1 --prompt 'The king' ";
  const Outcome first = run(command), again = run(command + "--seed 42 --threads 1"),
                other = run(command + "--seed 43");
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.err, "");
  EXPECT_EQ(first.out, again.out);
  EXPECT_NE(first.out, other.out);
}

TEST_F(Gpt2run, ADrawnSeedIsShownAndRecorded) {
  const Outcome drawn = run("gpt2run -n 8 --seed random --manifest run.json --prompt a");
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  const size_t at = drawn.err.find("seed ") + 5;
  const std::string seed = drawn.err.substr(at, drawn.err.find(' ', at) - at);
  EXPECT_THAT(read_text(folder() / "run.json"), HasSubstr("\"seed\": " + seed));
  EXPECT_EQ(run("gpt2run -q -n 8 --prompt a --seed " + seed).out, drawn.out);
}

TEST_F(Gpt2run, AManifestRepeatsTheRun) {
  const Outcome first =
      run("printf 'A \"C# \xc3\xa4\" prompt\\n\\nwith lines\\n' | gpt2run --prompt - --prompt 'Two: b,c' -n 12 "
          "--samples 2 --batch 3 "
          "--seed 7 --temp 1.25 --stop 'C# never ' --manifest run.json");
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(first.out, StartsWith("A \"C# \xc3\xa4\" prompt\n\nwith lines"));
  std::filesystem::create_directory(folder() / "elsewhere");
  const Outcome again = run("cd elsewhere && gpt2run --config ../run.json");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, first.out);
  EXPECT_THAT(again.err, Not(HasSubstr("warning")));
  const Outcome other = run("gpt2run -q --config run.json --seed 8");
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_NE(other.out, first.out);
  const Outcome prompt = run("gpt2run -q --config run.json --prompt Other");
  EXPECT_THAT(prompt.out, StartsWith("Other"));
  EXPECT_THAT(prompt.out, Not(HasSubstr("with lines")));
}

TEST_F(Gpt2run, AManifestThatCannotBeRepeatedExactlyWarns) {
  ASSERT_EQ(run("gpt2run -q -n 1 --prompt a --manifest run.json").code, 0);
  ASSERT_EQ(run("sed 's/\"version\": \"/\"version\": \"0.0./; s/\"hash\": \"/\"hash\": \"f/' run.json > old.json").code,
            0);
  const Outcome again = run("gpt2run -q --config old.json");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasMessage("gpt2run: warning", "sampler nucleus", "version"));
  EXPECT_THAT(again.err, HasMessage("gpt2run: warning", "precision cpu-fp32", "gpt2run-precision-cpu-fp32.so"));
  EXPECT_THAT(again.err, HasMessage("gpt2run: warning", "model", "hash"));
}

// Runs of a small network, and whether their logits are the same to the last bit.
class RecordedArithmetic : public Shell {
 protected:
  static constexpr char kRun[] =
      "gpt2run -q -m synthetic:L=2,C=96,H=3,F=200,V=301,T=64,std=0.1 --ignore_eos --sampler argmax --tokens 1,2,3 -n "
      "30 "
      "--sink logits:format=npy --precision ";

  // A run that leaves a hash of its logits.
  Outcome logits_of(const std::string& command) const {
    return run("rm -rf saved_logits; " + command + " && cat saved_logits/*.npy | sha256sum");
  }
  // Repeats the recorded run after a change of its manifest by sed, with further options.
  Outcome repeat(const std::string& change, const std::string& options = "") const {
    return logits_of("sed '" + change + "' run.json >changed.json && gpt2run -q --config changed.json " + options);
  }
};

// As if the run came from a processor of another kind: what it recorded as `isa` may not have its order here, or not
// run. Another value has it, on any processor.
TEST_F(RecordedArithmetic, IsRepeatedInItsOrderOfSums) {
  const Outcome first = logits_of(std::string(kRun) + "cpu-bf16:isa=portable-amx-order --manifest run.json");
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_NE(logits_of(std::string(kRun) + "cpu-bf16:isa=portable").out, first.out);
  for (const char* isa : {"auto", "amx", "portable", "avx512bf16"}) {
    const Outcome again = repeat(std::string("s/portable-amx-order/") + isa + "/", "--manifest again.json");
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(again.out, first.out) << isa;
    EXPECT_EQ(again.err, "") << isa;
    EXPECT_THAT(read_text(folder() / "again.json"), HasSubstr("\"order\": \"amx\""));
  }
  const Outcome told =
      run("sed 's/portable-amx-order/portable/' run.json >changed.json && gpt2run --config changed.json");
  EXPECT_THAT(told.err, HasSubstr("precision cpu-bf16: isa "));  // the value depends on the processor
}

TEST_F(RecordedArithmetic, OfAnOrderThatThisProcessorLacksWarns) {
  const Outcome first = logits_of(std::string(kRun) + "cpu-bf16:isa=portable-amx-order --manifest run.json");
  ASSERT_EQ(first.code, 0) << first.err;
  const Outcome other = repeat("s/\"order\": \"amx\"/\"order\": \"descending\"/");
  EXPECT_EQ(other.code, 0) << other.err;
  EXPECT_EQ(other.out, first.out);
  EXPECT_THAT(other.err, HasMessage("gpt2run: warning", "order", "descending", "amx", "this processor"));
  const Outcome lacking = repeat("s/portable-amx-order/amx/; s/\"order\": \"amx\"/\"order\": \"descending\"/");
  EXPECT_EQ(lacking.code, 0) << lacking.err;  // with or without AMX
  EXPECT_THAT(lacking.err, HasSubstr("descending"));
}

TEST_F(RecordedArithmetic, GivesWayToTheCommandLine) {
  ASSERT_EQ(run(std::string(kRun) + "cpu-bf16:isa=portable-amx-order --manifest run.json").code, 0);
  const Outcome ascending = logits_of(std::string(kRun) + "cpu-bf16:isa=portable"),
                own = repeat("", "--precision.isa portable");
  EXPECT_EQ(own.code, 0) << own.err;
  EXPECT_EQ(own.out, ascending.out);
  EXPECT_THAT(own.err, HasMessage("gpt2run: warning", "order", "amx", "ascending"));
  EXPECT_THAT(own.err, Not(HasSubstr("this processor")));
  const Outcome precision = repeat("", "--precision cpu-fp32");
  EXPECT_THAT(precision.err, HasMessage("gpt2run: warning", "cpu-bf16"));
  EXPECT_THAT(precision.err, Not(HasSubstr("order")));
}

TEST_F(RecordedArithmetic, OfAnotherContractWarns) {
  ASSERT_EQ(run(std::string(kRun) + "cpu-int8 --manifest run.json").code, 0);
  const Outcome again = repeat("", "--precision.kv int8");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasMessage("gpt2run: warning", "contract", "kv=fp16", "kv=int8"));
  EXPECT_THAT(repeat("").err, Not(HasSubstr("contract")));
  const Outcome before =
      repeat("s/\"contract\": \"[^\"]*\"/\"contract\": \"\"/; s/\"order\": \"[^\"]*\"/\"order\": \"\"/");
  EXPECT_EQ(before.code, 0) << before.err;  // as a version writes it that knew neither
  EXPECT_EQ(before.err, "");
}

TEST_F(Gpt2run, AManifestWhosePromptWasEditedWarnsThatItsTokensCount) {
  const Outcome first = run("gpt2run -q -n 2 --prompt 'The king' --manifest run.json");
  ASSERT_EQ(first.code, 0) << first.err;
  const std::string abi = std::to_string(kAbi);
  const Outcome again =
      run("sed 's/The king/The duke/; s/\"abi\": /\"abi\": 1/' run.json >new.json && gpt2run -q --config new.json "
          "--text.out - ");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasMessage("gpt2run: warning", "prompt 0", "\"The duke\""));
  EXPECT_THAT(again.err, HasMessage("gpt2run: warning", "ABI", "1" + abi, abi));
  EXPECT_EQ(run("gpt2run -q --config new.json --prompt Other").err.find("The duke"), std::string::npos);
}

TEST_F(Gpt2run, AnIniFileGivesOptionsAndTheLineWins) {
  write("run.ini", "prompt = \"The king # said\"\nsampler = argmax\nmax-new-tokens = 3\n[text]\nout = file.txt\n");
  ASSERT_EQ(run("gpt2run -q --config run.ini").code, 0);
  EXPECT_THAT(read_text(folder() / "file.txt"), StartsWith("The king # said"));
  const Outcome line = run("gpt2run -q --config run.ini --text.out - -n 1");
  EXPECT_EQ(line.code, 0) << line.err;
  EXPECT_THAT(line.out, StartsWith("The king # said"));
  EXPECT_LT(line.out.size(), read_text(folder() / "file.txt").size());
}

TEST_F(Gpt2run, RecomputingTellsTheSameTaleByMoreWork) {
  const std::string command = "gpt2run -q --prompt 'The old king' --prompt 'A' -n 12 --batch 2 --samples 2 ";
  const Outcome cached = run(command), recomputed = run(command + "--recompute --manifest run.json");
  ASSERT_EQ(recomputed.code, 0) << recomputed.err;
  EXPECT_EQ(recomputed.out, cached.out);
  EXPECT_THAT(read_text(folder() / "run.json"), HasSubstr("\"recompute\": true"));
}

TEST_F(Gpt2run, AStopTextHasEscapes) {
  const std::string command = "gpt2run -q --sampler argmax -p 'The old king' -n 30 --stop ";
  const Outcome plain = run(command + "\"$(printf 'you\\040are')\"");
  EXPECT_EQ(run(command + "'you\\u0020are' --manifest run.json").out, plain.out);
  EXPECT_EQ(run("gpt2run -q --config run.json").out, plain.out);
  // A manifest's texts are taken as they are.
  ASSERT_EQ(run(command + "'a\\\\b' --manifest run.json").code, 0);
  EXPECT_EQ(run("gpt2run -q --config run.json").code, 0);
}

TEST_F(Gpt2run, AStopTextEndsAndIsNotShown) {
  const std::string command = "gpt2run -q --sampler argmax --prompt 'Once upon a time' -n 30 ";
  const Outcome whole = run(command), stopped = run(command + "--stop nowhere --stop ', and'");
  ASSERT_EQ(stopped.code, 0) << stopped.err;
  const size_t at = whole.out.find(", and");
  ASSERT_NE(at, std::string::npos) << whole.out;
  EXPECT_EQ(stopped.out, whole.out.substr(0, at) + "\n");
}

constexpr char kSmall[] = "gpt2run -m synthetic:L=1,C=8,H=2,F=12,V=50,T=96 --ignore_eos --sampler argmax --sink ";

int64_t words(const std::string& text) { return std::ranges::count(text, ' ') + (text.size() > 1); }

TEST_F(Gpt2run, WithoutALengthAnyPromptGetsNewTokens) {
  const Outcome short_one = run(std::string(kSmall) + "tokens --tokens 1,2 --manifest run.json");
  EXPECT_EQ(words(short_one.out), 64) << short_one.out;
  EXPECT_THAT(short_one.err, HasSubstr("no -n: 64 new tokens"));
  EXPECT_THAT(read_text(folder() / "run.json"), HasSubstr("\"max_new_tokens\": 64"));
  EXPECT_EQ(run("gpt2run -q --config run.json").out, short_one.out);
  const Outcome long_one = run(std::string(kSmall) + "tokens --tokens \"$(seq -s, 1 49),$(seq -s, 1 21)\"");
  EXPECT_EQ(words(long_one.out), 96 + 1 - 70) << long_one.out;
  EXPECT_THAT(long_one.err, HasSubstr("1 of 1 sequences ended where the model's context of 96 tokens is full"));
  // A manifest of the time when a length counted the prompt.
  ASSERT_EQ(run("sed 's/\"max_new_tokens\": 64/\"n_gen\": 64/' run.json >old.json").code, 0);
  EXPECT_EQ(words(run("gpt2run -q --config old.json").out), 62);
}

TEST_F(Gpt2run, AContextThatIsFullEndsTheSequenceOrIsShifted) {
  const std::string command = std::string(kSmall) + "jsonl:out=- --tokens 1 -n 200 ";
  EXPECT_THAT(run(command + "-q").out, HasSubstr("\"finish_reason\": \"context\""));
  const Outcome shifted =
      run(std::string(kSmall) + "tokens -q --tokens 1 -n 200 --context-shift -1 --manifest run.json");
  EXPECT_EQ(words(shifted.out), 200) << shifted.err;
  EXPECT_EQ(shifted.err, "");
  EXPECT_EQ(run("gpt2run -q --config run.json").out, shifted.out);
  // A run that ends before that is as it would be without it.
  const std::string brief = std::string(kSmall) + "tokens -q --tokens 1 -n 5 ";
  EXPECT_EQ(run(brief + "--context-shift -1").out, run(brief).out);
  EXPECT_EQ(run(brief + "--context-shift 90").out, run(brief).out);
  // What follows is what the last 48 tokens give as a prompt.
  std::istringstream ids(shifted.out);
  std::vector<std::string> all{std::istream_iterator<std::string>(ids), {}};
  std::string prompt;
  for (int i = 96 - 48; i < 96; ++i) prompt += all[i] + " ";
  const Outcome again = run(std::string(kSmall) + "tokens -q -n 49 --tokens '" + prompt + "'");
  std::string expected;
  for (int i = 96; i < 96 + 49; ++i) expected += (i > 96 ? " " : "") + all[i];
  EXPECT_EQ(again.out, expected + "\n");
}

TEST_F(Gpt2run, NamesOfOtherToolsMeanTheSame) {
  const Outcome ours = run("gpt2run -q -p 'The king' --temp 1.5 -n 8 --samples 2");
  ASSERT_EQ(ours.code, 0) << ours.err;
  EXPECT_EQ(run("gpt2run -q -p 'The king' --temperature 1.5 --max-tokens 8 --num-return-sequences 2 -t 2").out,
            ours.out);
  const std::string chain = "gpt2run -q -p 'The king' -n 8 --sampler repetition-penalty,argmax ";
  EXPECT_EQ(run(chain + "--repeat-penalty 3").out, run(chain + "--repetition-penalty.penalty 3").out);
  EXPECT_EQ(run("gpt2run -q -p 'The king' --max-length 8").out, run("gpt2run -q -p 'The king' --n_gen 8").out);
}

TEST_F(Gpt2run, TokensAndSpecialTokens) {
  EXPECT_EQ(run("gpt2run -q --sampler argmax --tokens '2441, 678 258 529' -n 5").out,
            run("gpt2run -q --sampler argmax --prompt 'Once upon a time' -n 5").out);
  const std::string command = "gpt2run --prompt 'a<|endoftext|>' --explain ";
  const Outcome special = run(command), plain = run(command + "--no-special");
  EXPECT_THAT(special.out, HasSubstr("prompts     1, 2 tokens"));
  EXPECT_THAT(plain.out, Not(HasSubstr("prompts     1, 2 tokens")));
}

TEST_F(Gpt2run, TheCloseInputAndOutputAreNoProblemWhenNotUsed) {
  EXPECT_EQ(run("gpt2run -q -n 2 --sink logits <&- >&-").code, 0);
  EXPECT_EQ(run("gpt2run -n 2 --prompt a 2>&-").code, 0);
  EXPECT_EQ(run("cd /proc && gpt2run -q -n 2 --prompt a").code, 0);
  EXPECT_EQ(run("env -u HOME LC_ALL=none.such gpt2run -q -n 2 --prompt a").code, 0);
  EXPECT_EQ(run("env -i " BINARY_DIR "/bin/gpt2run -q -n 2 --prompt a").code, 0);
}

TEST_F(Gpt2run, TheModelOfTheEnvironmentIsUsedAndNamed) {
  const std::string model = "synthetic:L=1,C=8,H=2,F=12,V=50,T=16";
  const Outcome done = run("GPT2RUN_MODEL=" + model + " gpt2run --tokens 1 -n 3 --sink null");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasMessage(model, "GPT2RUN_MODEL"));
  EXPECT_THAT(done.err, HasMessage("token ids"));
}

TEST_F(Gpt2run, TwoRunsAtOnceInOneFolder) {
  const Outcome both =
      run("gpt2run -q -n 20 --sink logits & gpt2run -q -n 20 --sink logits; first=$?; wait $! && exit $first");
  ASSERT_EQ(both.code, 0) << both.err;
  EXPECT_EQ(entries(), 2u);
  const std::string mixed = read_text(folder() / "saved_logits/generation_FP32_0.json");
  ASSERT_EQ(run("gpt2run -q -n 20 --sink logits:dir=alone").code, 0);
  EXPECT_EQ(read_text(folder() / "alone/generation_FP32_0.json"), mixed);
}

TEST_F(Gpt2run, ExplainSaysWhatIsWhereAndRunsNothing) {
  const Outcome plan = run("gpt2run --explain --sink logits,text --n_gen 64");
  ASSERT_EQ(plan.code, 0) << plan.err;
  for (const char* part :
       {"L 6 layers", "head tied", "precision   cpu-fp32", "logits in host memory", "selects in host memory",
        "wants tokens, ", "repeat      1 token", "8 B out of the session", "weights 14.6 MB", "memory      at least ",
        "not counted: 14.6 MB of tensors that the loader maps or holds"})
    EXPECT_THAT(plan.out, HasSubstr(part));
  EXPECT_EQ(entries(), 0u);
}

TEST_F(Gpt2run, ADeviceThatNoPrecisionUsesIsSaid) {
  const std::string command = "gpt2run -q -n 2 --prompt a --precision cpu-fp32";
  const Outcome given = run(command + " --device 1");
  EXPECT_EQ(given.code, 0) << given.err;
  EXPECT_THAT(given.err, IsMessage("gpt2run: warning", "--device 1", "cpu-fp32"));
  write("run.ini", "device = 1\n");  // is for all runs, whatever computes them
  EXPECT_EQ(run(command + " --config run.ini").err, "");
  EXPECT_THAT(run("gpt2perplexity -q --prompt 'a king' --precision cpu-fp32 --device 1").err,
              IsMessage("gpt2perplexity: warning", "--device 1", "cpu-fp32"));
}

TEST_F(Gpt2run, HelpShowsTheChosenPluginsOptions) {
  const Outcome help = run("gpt2run --help --sink logits");
  ASSERT_EQ(help.code, 0) << help.err;
  for (const char* part : {"--n_gen", "--nucleus.top_p", "(0, 1]", "--logits.format"})
    EXPECT_THAT(help.out, HasSubstr(part));
  EXPECT_EQ(run("gpt2run --help --model /nowhere").code, 0);
  const std::string version = run("gpt2run --version").out;
  EXPECT_THAT(version,
              testing::ContainsRegex("^gpt2run [0-9]+\\.[0-9]+\\.[0-9]+ \\(commit ([0-9a-f]{12}|unknown)\\)\n$"));
  EXPECT_EQ("gpt2tokenize" + version.substr(version.find(' ')), run("gpt2tokenize encode a --version").out);
  EXPECT_EQ(run("gpt2tokenize decode $(gpt2tokenize encode -- --version)").out, "--version");
}

TEST_F(Gpt2run, EchoAndTopReachEverySinkThatHasThem) {
  const std::string command =
      "gpt2run -q -n 2 --prompt 'Once upon a time' --sink text:out=text,jsonl:out=json,tokens:out=ids,null --top 2 ";
  ASSERT_EQ(run(command + "--echo --samples 1").code, 0);
  EXPECT_THAT(read_text(folder() / "text"), StartsWith("Once upon a time"));
  EXPECT_THAT(read_text(folder() / "json"), HasSubstr("\"prompt_tokens\": [2441, 678, 258, 529], "));
  EXPECT_THAT(read_text(folder() / "json"), HasSubstr(", \"top\": [[{\"id\": "));
  EXPECT_THAT(read_text(folder() / "ids"), StartsWith("2441 678 258 529 "));
  ASSERT_EQ(run(command + "--echo off").code, 0);
  EXPECT_THAT(read_text(folder() / "text"), Not(HasSubstr("Once")));
  EXPECT_THAT(read_text(folder() / "json"), Not(HasSubstr("prompt_tokens")));
}

TEST_F(Gpt2run, WithoutNewTokensThereIsNoSpeed) {
  EXPECT_THAT(run("gpt2run -n 0 --prompt a --sink null").err, testing::EndsWith("gpt2run: 0 new tokens after 1\n"));
}

TEST_F(Gpt2run, WhatFailsLateLeavesNoFolder) {
  const std::string command = "gpt2run -q -n 1 --prompt a --sink ";
  EXPECT_THAT(run(command + "logits:dir=a/b,jsonl:out=a/b/generation_FP32_0.json"),
              IsRefusal(1, "gpt2run", "a/b/generation_FP32_0.json", "another"));
  EXPECT_THAT(run(command + "jsonl:out=/dev/full --manifest a/m"), IsRefusal(1, "gpt2run", "/dev/full"));
  for (const char* sinks : {"lens:out=a/index.json,taps:dir=a:ops=embed", "jsonl:out=a/attention.json,attention:dir=a"})
    EXPECT_THAT(run(command + sinks), IsRefusal(1, "gpt2run", "a/", ".json", "another"));
  EXPECT_EQ(run("gpt2perplexity -q -p a --json a/b/json").code, 1) << "a text without a target";
  EXPECT_EQ(entries(), 0u);
}

TEST_F(Gpt2run, AWrongWordAboutTheDiskIsToldBeforeTheRun) {
  EXPECT_THAT(run("GPT2RUN_FSYNC=garbage gpt2run -q -n 1 --prompt a --sink jsonl:out=a"),
              IsRefusal(1, "gpt2run", "GPT2RUN_FSYNC:", "\"garbage\""));
  EXPECT_EQ(entries(), 0u);
}

// The signal comes while a sequence's file is half-written.
TEST_F(Gpt2run, ASignalLeavesNothingHalfWritten) {
  for (const char* signal : {"INT", "TERM"}) {
    const Outcome done =
        run(std::string("env --default-signal=INT gpt2run -q --sink logits,"
                        "jsonl:top=3:out=saved_logits/j,tokens:out=saved_logits/t,text:out=saved_logits/x,"
                        "timings:out=saved_logits/m --samples 100000 & until ls -A saved_logits "
                        "2>/dev/null | grep -q .; do sleep 0.01; done; sleep 0.05; kill -") +
            signal + " $!; wait $!");
    EXPECT_EQ(done.code, 1);
    EXPECT_THAT(done.err, StartsWith("gpt2run: error: interrupted, "));
    EXPECT_EQ(run("find saved_logits -type f").out, "");
  }
}

}  // namespace
}  // namespace gpt2run
