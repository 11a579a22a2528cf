// gpt2run under mpirun: the same files as without, and one clear line where a rank fails.
#include "ranks/mpirun.hpp"

#include <algorithm>

namespace gpt2run {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Ne;
using testing::Not;
using testing::StartsWith;

constexpr char kGpt2run[] = " gpt2run --threads 1 ";

class Mpirun : public UnderMpirun {
 protected:
  static std::string mpirun(int ranks, const std::string& arguments) {
    return kMpirun + std::to_string(ranks) + kGpt2run + arguments;
  }

  // Its record included.
  void expect_same(int ranks, const std::string& arguments) const {
    const std::string told = UnderMpirun::expect_same(ranks, kGpt2run + arguments + " --manifest run.json >out.txt");
    EXPECT_EQ(lines_with(told, " new tokens after "), 1) << told;
  }
};

std::string stumble(const std::string& options) {
  return "-q --plugin-dir " BINARY_DIR "/tests/ranks --sampler stumble:" + options +
         " --prompts prompts.txt --sink text:out=text.txt,logits:dir=logits -n 12 ";
}

TEST_F(Mpirun, EveryFileIsTheSameAsByOneProcess) {
  const std::string prompts = "--prompts ../prompts.txt -n 16 ";
  expect_same(3, prompts + "--samples 2 --batch 3 --sink text,tokens:out=ids.txt,jsonl:out=all.jsonl:echo=on:top=3");
  expect_same(2, prompts + "--samples 2 --batch 2 --temp 1.3 --stop a --sink text,logits:format=npy --seed 7");
  expect_same(4, prompts + "--sink jsonl,logits --recompute --batch 2");
  expect_same(2, prompts +
                     "--sink text,logits --patch 'op=down_add,layer=0,positions=0,from=The queen' --patch "
                     "op=attention,layer=1,noise=3");
}

TEST_F(Mpirun, FewerPromptsThanRanksAndNoPromptAtAll) {
  expect_same(3, "--prompt 'The king said' --prompt 'The queen' -n 30 --sink text,logits");
  expect_same(2, "-n 30 --sink text,jsonl:out=all.jsonl");
}

TEST_F(Mpirun, TimesOfAllPassesAreCollected) {
  const Outcome done = run(mpirun(3, "-q --prompts prompts.txt -n 5 --sink timings:out=times.json,null"));
  ASSERT_EQ(done.code, 0) << done.err;
  const std::string times = read_text(folder() / "times.json");
  const size_t at = times.find("\"forward_pass\": [");
  ASSERT_NE(at, times.npos);
  // A pass for each of 7 x 5 tokens, and one for the prompt before its last token where there is such.
  EXPECT_GE(std::count(times.begin() + static_cast<std::ptrdiff_t>(at),
                       times.begin() + static_cast<std::ptrdiff_t>(times.find(']', at)), ','),
            34);
}

TEST_F(Mpirun, StandardInputAndADrawnSeedAreThoseOfRankZero) {
  const std::string options = "-q --prompts - -n 12 --temp 1.5 --top_k 0 --sink text ";
  const Outcome many = run(mpirun(3, options + "--seed random --manifest run.json") + " <prompts.txt");
  ASSERT_EQ(many.code, 0) << many.err;
  EXPECT_THAT(many.out, StartsWith("Once upon a time"));
  const Outcome again = run("gpt2run -q --config run.json");
  EXPECT_EQ(again.out, many.out) << again.err;
}

TEST_F(Mpirun, OneRankSpeaks) {
  const Outcome version = run(mpirun(3, "--version"));
  EXPECT_EQ(version.code, 0) << version.err;
  EXPECT_EQ(lines_with(version.out, "gpt2run "), 1) << version.out;
  EXPECT_EQ(run(mpirun(2, "--explain -q")).out, run(std::string(kGpt2run) + "--explain -q").out);
}

TEST_F(Mpirun, ARankWithoutTheOthersSaysSo) {
  for (const std::string rank : {"0", "2"})
    for (const std::string program : {"gpt2run", "gpt2compare", "gpt2perplexity"})
      expect_failure(run("OMPI_COMM_WORLD_RANK=" + rank + " OMPI_COMM_WORLD_SIZE=4 " + program + " --prompt x"),
                     {"rank " + rank + " of 4", "OMPI_COMM_WORLD_RANK", "1 rank"}, program);
}

TEST_F(Mpirun, WhatAllRanksRefuseIsToldOnce) {
  expect_failure(run(mpirun(3, "-q --nonsense")), {"--nonsense"});
  expect_failure(run(mpirun(3, "-q --prompts none.txt")), {"--prompts", "\"none.txt\""});
}

TEST_F(Mpirun, ARankThatFailsIsNamed) {
  const std::string one = std::string(kMpirun) + "1" + kGpt2run + "-q -n 8 --sink text,logits ";
  const std::string other = std::string(" : -n 1") + kGpt2run + "-q -n 8 --sink text,logits ";
  expect_failure(run(one + "--prompts prompts.txt" + other + "--prompts none.txt"), {"rank 1", "\"none.txt\""});
  expect_failure(run(one + "--prompt A" + other + "--prompt B"), {"rank 1", "\"prompts\""});
  expect_failure(run(one + other + "--explain"), {"rank 1", "rank 0", "--explain"});
  expect_failure(run(one + "--explain" + other + "--report weights"),
                 {"rank 1", "rank 0", "--explain", "--report weights"});
  const Outcome middle = run(mpirun(3, stumble("sequence=5")));
  expect_failure(middle, {"rank 2", "stumbled over sequence 5"});
  expect_failure(run(mpirun(3, stumble("sequence=3"))), {"stumbled over sequence 3"});
}

TEST_F(Mpirun, ARankThatIsKilledEndsTheRun) {
  for (const char* sequence : {"0", "1", "5"}) {
    SCOPED_TRACE(sequence);
    const std::string options = stumble(std::string("how=die:sequence=") + sequence);
    const Outcome killed = run(mpirun(3, options));
    EXPECT_THAT(killed.code, AllOf(Ne(0), Ne(kTimedOut)));  // MPICH's mpirun tells it on standard output
    expect_nothing_left();
  }
}

TEST_F(Mpirun, AnOutputThatCannotBeWrittenEndsAllRanks) {
  const std::string command = "-q --prompts prompts.txt -n 40 --samples 20 --batch 4 --sink text:out=";
  expect_failure(run(mpirun(3, command + "prompts.txt/text,logits")), {"prompts.txt/text"});
  expect_failure(run(mpirun(3, command + "/dev/full")), {"/dev/full", "No space left on device"});
}

TEST_F(Mpirun, AClosedStandardOutputEndsAllRanks) {
  const Outcome closed = run("{ " + mpirun(3, "-q --prompts prompts.txt -n 40 --samples 20 --sink text,logits") +
                             "; echo code $? >&2; } | head -c 10 >/dev/null");
  EXPECT_THAT(closed.err, AllOf(HasSubstr("code "), Not(HasSubstr("code 0\n")), Not(HasSubstr("code 124\n"))));
  expect_nothing_left();
}

}  // namespace
}  // namespace gpt2run
