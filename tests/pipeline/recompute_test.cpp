// A full pass for every token: what the cache saves, and that it changes nothing.
#include <gtest/gtest.h>

#include <bit>

#include "gpt2run/engine/generate.hpp"
#include "pipeline.hpp"
#include "support/argmax.hpp"
#include "support/capture_sink.hpp"
#include "support/exact_ops.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {
namespace {

const std::vector<Prompt> kPrompts = {
    {"", {1, 2, 3}}, {"", {4}}, {"", {5, 6, 7, 8, 9, 10, 11}}, {"", {3, 3}}, {"", {20, 1, 0, 2}}};

class Recompute : public testing::TestWithParam<Place> {
 protected:
  CaptureSink run(Generation generation, uint32_t wants = kLogprob) {
    generation.ignore_eos = true;
    const TinyCheckpoint checkpoint;
    CaptureSink capture(wants);
    Sink* sinks[] = {&capture};
    Argmax argmax(GetParam().device_sampler);
    const Chain chain{{&argmax}, GetParam().device_sampler ? Space::test : Space::host, false};
    limits = plan_limits(checkpoint.config(), kPrompts, generation, sinks, chain);
    const auto ops = std::make_shared<ExactOps>();
    std::unique_ptr<Session> session;
    if (GetParam().device)
      session = std::make_unique<FakeSession<ExactOps>>(ops, checkpoint, limits);
    else
      session = std::make_unique<HostSession<ExactOps>>(ops, checkpoint, limits, Traits{true, true, true, true, 0});
    summary = generate(*session, checkpoint.config(), chain, sinks, nullptr, kPrompts, generation, "");
    if (GetParam().device && summary.new_tokens > 0) {  // nobody waits for what is not read
      const FakeCounts& counts = static_cast<FakeSession<ExactOps>&>(*session).counts;
      EXPECT_EQ(counts.rows, summary.rows);
      EXPECT_EQ(counts.steps, summary.steps);
    }
    return capture;
  }

  // Bits, so that NaN is not equal to a number and -0 not to 0.
  static std::vector<std::vector<uint32_t>> bits(const CaptureSink& made, bool prompt = false) {
    std::vector<std::vector<uint32_t>> all;
    for (const auto& [sequence, s] : made.sequences) {
      all.emplace_back();
      for (const float logprob : prompt ? s.prompt_logprobs : s.logprobs)
        all.back().push_back(std::bit_cast<uint32_t>(logprob));
    }
    return all;
  }

  void expect_same(Generation generation, uint32_t wants = kLogprob) {
    generation.recompute = false;
    const CaptureSink cached = run(generation, wants);
    const Summary before = summary;
    generation.recompute = true;
    const CaptureSink recomputed = run(generation, wants);
    EXPECT_EQ(recomputed.all_tokens(), cached.all_tokens());
    EXPECT_EQ(bits(recomputed), bits(cached));
    EXPECT_EQ(bits(recomputed, true), bits(cached, true));
    EXPECT_EQ(summary.new_tokens, before.new_tokens);
    EXPECT_EQ(summary.prompt_tokens, before.prompt_tokens);
    EXPECT_EQ(summary.replayed, 0);
    if (!(wants & kLogprob)) return;
    for (const auto& [sequence, s] : recomputed.sequences)
      for (const float logprob : s.logprobs) EXPECT_LE(logprob, 0);  // fails on NaN
  }

  Limits limits{};
  Summary summary;
};

// Of all passes: the whole length each time.
int64_t rows_of(const std::vector<Prompt>& prompts, int new_tokens, int samples) {
  int64_t rows = 0;
  for (const Prompt& prompt : prompts)
    for (int i = 0; i < new_tokens; ++i) rows += (std::ssize(prompt.tokens) + i) * samples;
  return rows;
}

TEST_P(Recompute, GivesWhatTheCacheGives) {
  expect_same({.max_new = 12});
  EXPECT_EQ(summary.rows, rows_of(kPrompts, 12, 1));
  EXPECT_EQ(summary.steps, 12 * std::ssize(kPrompts)) << "one pass is one step";
}

TEST_P(Recompute, InABatchAllSlotsShareTheStep) {
  expect_same({.max_new = 9, .batch = 5});
  EXPECT_EQ(summary.rows, rows_of(kPrompts, 9, 1));
  EXPECT_EQ(summary.steps, 9);
}

TEST_P(Recompute, SamplesAndRefill) {
  expect_same({.n_gen = 16, .samples = 3, .batch = 4});
  int64_t rows = 0;
  for (const Prompt& prompt : kPrompts)
    rows += rows_of({&prompt, &prompt + 1}, 16 - static_cast<int>(prompt.tokens.size()), 3);
  EXPECT_EQ(summary.rows, rows);
}

TEST_P(Recompute, InChunks) {
  for (const int chunk : {1, 3, 8}) expect_same({.max_new = 11, .batch = 3, .chunk = chunk});
  EXPECT_EQ(summary.rows, rows_of(kPrompts, 11, 1));
  EXPECT_LE(limits.rows, 3 * 8);
}

TEST_P(Recompute, WithThePromptShown) {
  expect_same({.max_new = 6, .samples = 2, .batch = 3, .chunk = 4}, kLogprob | kPrompt);
  expect_same({.max_new = 6, .batch = 2}, kPrompt);
  EXPECT_EQ(summary.rows, rows_of(kPrompts, 6, 1));
}

TEST_P(Recompute, LogitsArriveWithTheirTokens) {
  const CaptureSink made = run({.max_new = 5, .batch = 3, .recompute = true}, kLogits | kAnyOrder | kPrompt);
  for (const auto& [sequence, s] : made.sequences) {
    ASSERT_EQ(s.logits.size(), 5u);
    for (int i = 0; i < 5; ++i)
      EXPECT_EQ(std::max_element(s.logits[i].begin(), s.logits[i].end()) - s.logits[i].begin(), s.tokens[i]);
  }
}

TEST_P(Recompute, ToTheContextsEndAndNothingAtAll) {
  expect_same({.max_new = 100, .batch = 2});
  expect_same({.max_new = 0, .batch = 2}, kLogprob | kPrompt);
  expect_same({.max_new = 0});
  EXPECT_EQ(summary.new_tokens, 0);
}

INSTANTIATE_TEST_SUITE_P(Places, Recompute,
                         testing::Values(Place{"host", false, false}, Place{"device", true, true},
                                         Place{"host_sampler_behind_device", true, false}),
                         [](const auto& info) { return info.param.name; });

// Memory is bounded whatever the batch, and small for short passes.
TEST(RecomputeLimits, OneStepHasBoundedRows) {
  const ModelConfig shape{.L = 1, .H = 1, .C = 2, .F = 2, .V = 40, .T = 1024, .end_of_text = 39, .epsilon = 1e-5f};
  Argmax argmax(false);
  const Chain chain{{&argmax}, Space::host, false};
  const std::vector<Prompt> prompts(64, Prompt{"", {1}});
  const Limits limits =
      plan_limits(shape, prompts, {.max_new = 1024, .batch = 64, .chunk = INT32_MAX, .recompute = true}, {}, chain);
  EXPECT_EQ(limits.rows, 4096);
  EXPECT_EQ(plan_limits(shape, prompts, {.max_new = 2, .batch = 64, .recompute = true}, {}, chain).rows, 64 * 2);
}

}  // namespace
}  // namespace gpt2run::test
