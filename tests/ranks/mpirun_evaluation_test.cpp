// gpt2perplexity and gpt2compare under mpirun: every number and every record as by one process, and one clear line
// where a rank fails.
#include "ranks/mpirun.hpp"

namespace gpt2run {
namespace {

using testing::HasSubstr;

constexpr char kText[] = "--text " SOURCE_DIR "/tests/golden/evaluation/text.txt";
constexpr char kDemo[] = " -q --model " SOURCE_DIR "/models/demo ";

class MpirunLab : public UnderMpirun {
 protected:
  static std::string perplexity(const std::string& arguments) {
    return std::string("gpt2perplexity") + kDemo + arguments;
  }
  static std::string compare(const std::string& arguments) { return std::string("gpt2compare") + kDemo + arguments; }

  Outcome run_on(int ranks, const std::string& command) const {
    return run(kMpirun + std::to_string(ranks) + " " + command);
  }
};

constexpr char kWritten[] = " --json all.json >out.txt";

TEST_F(MpirunLab, PerplexityIsThatOfOneProcess) {
  const std::string precisions = " --precision fp32,bf16";
  expect_same(3, perplexity(kText + precisions + " --max_length 64 --threads 1" + kWritten));
  expect_same(
      4, perplexity("--prompts " + folder().string() + "/prompts.txt --protocol original" + precisions + kWritten));
  expect_same(3, perplexity("--tokens '5 6 7 8' --precision fp32 --json - >out.txt"));  // ranks without a window
}

TEST_F(MpirunLab, ComparisonIsThatOfOneProcess) {
  // Short prompts, which are compared on their continuations too.
  expect_same(3, compare("--prompts ../prompts.txt -n 6 --full --layers 8 --floor_targets 6" + std::string(kWritten)));
  // A launcher may bind two ranks to a core each.
  expect_same(2, compare(kText +
                         std::string(" --window 16 --limit 40 --layers 4 --floor_targets 4 --test bf16 --ref "
                                     "reference:type=bf16") +
                         kWritten));
}

TEST_F(MpirunLab, FormatsAndIslandsAreThoseOfOneProcess) {
  const std::string text = kText + std::string(" --window 8 --floor_targets 4 --formats ");
  expect_same(3, compare(text + "--limit 24 --open 1 --test reference:w=int8,bf16,reference:w=int4" + kWritten));
  expect_same(2, compare(text + "--limit 8 --islands --test reference:w=int4:head=int8" + kWritten));
}

TEST_F(MpirunLab, FilesAreComparedOnce) {
  for (const char* precision : {"fp32", "bf16"})
    ASSERT_EQ(run(std::string("gpt2run") + kDemo + "--prompts prompts.txt -n 4 --precision cpu-" + precision +
                  " --sink logits:dir=" + precision)
                  .code,
              0);
  expect_same(2, "gpt2compare -q --ref_folder ../fp32 --test_folder ../bf16" + std::string(kWritten));
}

TEST_F(MpirunLab, StandardInputIsThatOfRankZero) {
  const std::string measure = perplexity("--text - --max_length 64 --precision fp32 --json - <prompts.txt");
  const Outcome one = run(measure), many = run_on(3, measure);
  EXPECT_EQ(many.code, 0) << many.err;
  EXPECT_EQ(many.out, one.out);
  EXPECT_THAT(many.out, HasSubstr("\"perplexity\""));
}

TEST_F(MpirunLab, OneRankSpeaksAndJudges) {
  EXPECT_EQ(run_on(2, perplexity("--help")).out, run(perplexity("--help")).out);
  const Outcome judged =
      run_on(2, compare("--prompts prompts.txt -n 0 --floor off --layers 0 --test bf16 --fail_if 'kl_mean>1e-9'"));
  EXPECT_EQ(judged.code, 3) << judged.err;
  EXPECT_EQ(lines_with(judged.err, "kl_mean>1e-9 is met"), 1) << judged.err;
  EXPECT_THAT(judged.out, HasSubstr("TEST "));
}

TEST_F(MpirunLab, ARankThatFailsIsTold) {
  const auto two = [&](const std::string& command, const std::string& first, const std::string& second) {
    return run_on(1, command + first + " : -n 1 " + command + second);
  };
  const std::string text = perplexity("--json all.json --precision fp32 --max_length 64 ");
  expect_failure(two(text, kText, "--text none.txt"), {"rank 1", "none.txt"}, "gpt2perplexity");
  const std::string prompts = compare("--json all.json --floor off --layers 0 -n 4 --test bf16 ");
  expect_failure(two(prompts, "--prompt A", "--prompt B"), {"rank 1", "\"prompts\""}, "gpt2compare");
}

TEST_F(MpirunLab, ANumberThatIsNoneEndsAllRanks) {
  const std::string lost = " --plugin-dir " BINARY_DIR "/tests/evaluation --json all.json ";
  const Outcome all = run_on(3, compare(kText + std::string(" --window 16 --floor off --layers 0 --test nan") + lost));
  EXPECT_THAT(all.err, HasSubstr("found NaN for token "));
  expect_failure_of("gpt2compare", all);
}

TEST_F(MpirunLab, AnOutputThatCannotBeWrittenEndsAllRanks) {
  expect_failure(run_on(3, compare(kText + std::string(" --json prompts.txt/all.json"))), {"prompts.txt/all.json"},
                 "gpt2compare");
}

}  // namespace
}  // namespace gpt2run
