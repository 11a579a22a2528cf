// The generation loop on networks that are tables: who is computed when, what ends a sequence, what sinks are told.
#include "pipeline.hpp"

#include <gtest/gtest.h>

#include "gpt2run/engine/generate.hpp"
#include "support/argmax.hpp"
#include "support/capture_sink.hpp"
#include "support/error_of.hpp"
#include "support/letters.hpp"
#include "support/messages.hpp"
#include "support/scripted_ops.hpp"

namespace gpt2run::test {
namespace {

class PipelineTest : public testing::TestWithParam<Place> {
 protected:
  CaptureSink run(const std::vector<Prompt>& prompts, Generation generation, uint32_t wants = 0) {
    generation.replay = GetParam().replay;
    CaptureSink capture(wants);
    Sink* sinks[] = {&capture};
    Argmax argmax(GetParam().device_sampler);
    const Chain chain{{&argmax}, GetParam().device_sampler ? Space::test : Space::host, false};
    const Limits limits = plan_limits(kShape, prompts, generation, sinks, chain);
    const ShapeOnly checkpoint(kShape);
    const auto ops = std::make_shared<ScriptedOps>(script);
    std::unique_ptr<Session> session;
    if (GetParam().device) {
      session = std::make_unique<FakeSession<ScriptedOps>>(ops, checkpoint, limits);
    } else {
      session = std::make_unique<HostSession<ScriptedOps>>(ops, checkpoint, limits, Traits{});
    }
    const Letters letters;
    summary = generate(*session, kShape, chain, sinks, &letters, prompts, generation, "manifest");
    if (GetParam().device) counts = static_cast<FakeSession<ScriptedOps>&>(*session).counts;
    return capture;
  }

  bool replays() const { return GetParam().device_sampler && GetParam().replay > 1; }

  std::shared_ptr<Script> script = counting_script();
  Summary summary;
  FakeCounts counts;
};

TEST_P(PipelineTest, TokensFollowThePrompt) {
  const CaptureSink made = run({{"the prompt", {5, 6, 7}}}, {.max_new = 6});
  const auto& s = made.sequences.at(0);
  EXPECT_EQ(s.prompt, "the prompt");
  EXPECT_EQ(s.prompt_tokens, (std::vector<int32_t>{5, 6, 7}));
  EXPECT_EQ(s.tokens, counting(8, 6));
  EXPECT_EQ(s.steps, counting(0, 6));
  EXPECT_EQ(s.text, "IJKLMN");
  EXPECT_EQ(s.reason, "length");
  EXPECT_EQ(made.calls.substr(0, 15), "begin manifest;");
  EXPECT_NE(made.calls.find("\"new_tokens\": 6"), std::string::npos);
}

TEST_P(PipelineTest, TheTotalLengthCountsThePrompt) {
  EXPECT_EQ(run({{"", {5, 6, 7}}}, {.n_gen = 10}).sequences.at(0).tokens.size(), 7u);
  EXPECT_EQ(run({{"", {5, 6, 7}}}, {.n_gen = 4}).sequences.at(0).tokens.size(), 1u);
}

TEST_P(PipelineTest, EveryTokenIsComputedOnce) {
  run({{"", counting(0, 9)}}, {.max_new = 20, .chunk = 3});
  const int64_t computed = replays() ? 9 + 20 - 1 + 15 : 9 + 20 - 1;  // a replay may run past the end by less than K
  EXPECT_GE(script->rows, 9 + 20 - 1);
  EXPECT_LE(script->rows, computed);
  EXPECT_EQ(summary.rows, script->rows);
  EXPECT_EQ(summary.steps, script->steps);
  EXPECT_EQ(script->logit_rows, script->rows - 8);
}

TEST_P(PipelineTest, ARaggedBatchTakesTheStepsOfItsLongest) {
  run({{"", {1}}, {"", counting(1, 4)}, {"", counting(1, 9)}}, {.n_gen = 20, .batch = 3, .ignore_eos = true});
  const int steps =
      19 + 1;  // the shortest prompt has most to make; the longest prefix is one step, in which the shortest decodes
  EXPECT_GE(script->steps, 19);
  EXPECT_LE(script->steps, steps);
}

TEST_P(PipelineTest, SlotsAreRefilledFromTheQueue) {
  std::vector<Prompt> prompts;
  for (int i = 0; i < 100; ++i) prompts.push_back({"", counting(i % 7, 1 + i % 5)});
  const CaptureSink made = run(prompts, {.max_new = 10, .batch = 8, .ignore_eos = true});
  ASSERT_EQ(made.sequences.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(made.sequences.at(i).tokens, counting(i % 7 + 1 + i % 5, 10)) << i;
  EXPECT_TRUE(std::is_sorted(made.order.begin(), made.order.end()));
  const int at_least = (100 * 10 + 7) / 8;  // tokens over slots
  EXPECT_GE(script->steps, at_least);
  EXPECT_LE(script->steps, at_least + 13 + 13 * 2);  // a prefill step for each of the 13 rounds, and two of raggedness
}

TEST_P(PipelineTest, ABatchGivesTheTokensOfSingleRuns) {
  const std::vector<Prompt> prompts = {{"", {1}}, {"", {9, 3}}, {"", {30}}, {"", counting(2, 12)}};
  const auto alone = run(prompts, {.n_gen = 30, .batch = 1}).all_tokens();
  for (const int batch : {2, 3, 4, 9})
    EXPECT_EQ(run(prompts, {.n_gen = 30, .batch = batch, .chunk = 5}).all_tokens(), alone);
}

TEST_P(PipelineTest, EndOfTextEndsASequenceAndShowsNothing) {
  const CaptureSink made = run({{"", {36}}}, {.max_new = 20});
  const auto& s = made.sequences.at(0);
  EXPECT_EQ(s.tokens, (std::vector<int32_t>{37, 38, 39}));
  EXPECT_EQ(s.reason, "end_of_text");
  EXPECT_EQ(s.text.find("endoftext"), std::string::npos);
}

TEST_P(PipelineTest, IgnoredEndOfTextIsAToken) {
  const CaptureSink made = run({{"", {36}}}, {.max_new = 5, .ignore_eos = true});
  EXPECT_EQ(made.sequences.at(0).tokens, (std::vector<int32_t>{37, 38, 39, 0, 1}));
  EXPECT_NE(made.sequences.at(0).text.find("<|endoftext|>A"), std::string::npos);
}

TEST_P(PipelineTest, AStopStringAcrossTokensEndsBeforeIt) {
  const CaptureSink made = run({{"", {28}}}, {.max_new = 20, .stops = {"STOP"}});
  const auto& s = made.sequences.at(0);
  EXPECT_EQ(s.tokens, (std::vector<int32_t>{29, 30, 31, 32, 33}));
  EXPECT_EQ(s.text, std::string("^") + "\xe2\x82\xac");
  EXPECT_EQ(s.pieces, (std::vector<std::string>{"^", "", "\xe2\x82\xac", "", ""}));
  EXPECT_EQ(s.reason, "stop");
}

TEST_P(PipelineTest, ABeginningOfAStopStringIsHeldUntilItIsNone) {
  const CaptureSink made = run({{"", {33}}}, {.max_new = 2, .stops = {"STOP"}});
  EXPECT_EQ(made.sequences.at(0).pieces, (std::vector<std::string>{"", "START"}));
  EXPECT_EQ(run({{"", {33}}}, {.max_new = 1, .stops = {"STOP"}}).sequences.at(0).tail, "ST");
}

TEST_P(PipelineTest, TheContextsEndIsSaid) {
  const CaptureSink made = run({{"", {1, 2}}}, {.max_new = 1000, .ignore_eos = true});
  EXPECT_EQ(made.sequences.at(0).tokens.size(), size_t(kShape.T) + 1 - 2);
  EXPECT_EQ(made.sequences.at(0).reason, "context");
  EXPECT_EQ(run({{"", counting(0, 20)}}, {.max_new = 0}).sequences.at(0).reason, "length");
}

TEST_P(PipelineTest, SamplesShareTheirPromptsPrefix) {
  const CaptureSink made = run({{"", counting(0, 13)}, {"", counting(3, 7)}}, {.max_new = 5, .samples = 6, .batch = 4});
  ASSERT_EQ(made.sequences.size(), 12u);
  for (int i = 0; i < 12; ++i) EXPECT_EQ(made.sequences.at(i).tokens, counting(i < 6 ? 13 : 10, 5));
  EXPECT_EQ(script->rows - script->logit_rows, 12 + 6);  // each prefix went through once
}

TEST_P(PipelineTest, ThePromptIsShownWithItsLogProbabilities) {
  const CaptureSink made =
      run({{"", counting(0, 9)}}, {.max_new = 3, .samples = 5, .batch = 3, .chunk = 4}, kPrompt | kLogprob);
  const double likely = 10 - std::log(std::exp(10.0) + kShape.V - 1);
  for (const auto& [sequence, s] : made.sequences) {
    ASSERT_EQ(s.prompt_logprobs.size(), 9u);
    EXPECT_TRUE(std::isnan(s.prompt_logprobs[0]));
    for (int i = 1; i < 9; ++i) EXPECT_NEAR(s.prompt_logprobs[i], likely, 1e-6);
    for (const float logprob : s.logprobs) EXPECT_NEAR(logprob, likely, 1e-6);
  }
}

TEST_P(PipelineTest, LogitsArriveWithTheirTokens) {
  const CaptureSink made = run({{"", {1}}, {"", {11, 12}}}, {.max_new = 4, .batch = 2}, kLogits | kAnyOrder);
  for (const auto& [sequence, s] : made.sequences) {
    ASSERT_EQ(s.logits.size(), 4u);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(s.logits[i][s.tokens[i]], 10);
  }
  EXPECT_EQ(summary.replayed, 0);
}

TEST_P(PipelineTest, EveryPassIsToldOnceWhateverTheBatch) {
  const std::vector<Prompt> prompts = {{"", counting(0, 9)}, {"", {1}}, {"", counting(2, 6)}};
  const CaptureSink made = run(prompts, {.max_new = 4, .batch = 3, .chunk = 4}, kTimes);
  ASSERT_EQ(std::ssize(made.steps), summary.steps);
  int64_t rows = 0, sampled = 0;
  for (int64_t i = 0; i < summary.steps; ++i) {
    EXPECT_EQ(made.steps[i].step, i);
    EXPECT_GE(made.steps[i].times.forward, 0.0f);
    rows += made.steps[i].rows, sampled += made.steps[i].sampled;
  }
  EXPECT_EQ(rows, summary.rows);
  EXPECT_EQ(sampled, summary.new_tokens);
  EXPECT_TRUE(run(prompts, {.max_new = 4}, kLogprob).steps.empty()) << "only a sink that wants times hears of steps";
}

TEST_P(PipelineTest, SinksCanReadAnyToken) {
  const CaptureSink made = run({{"", {30}}}, {.max_new = 2});
  EXPECT_EQ(made.vocabulary, (std::vector<std::string>{"\xe2", "<|endoftext|>", ""}));
}

TEST_P(PipelineTest, NanIsAnErrorWithSequenceAndPosition) {
  script->spoil = [](HostState<float>& s) { s.logits[3] = s.logits[15] == 10 ? NAN : s.logits[3]; };
  try {
    run({{"", {11, 12}}}, {.max_new = 10});
    FAIL() << "NaN went unnoticed";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).substr(0, 24), "sequence 0, position 4: ");
  }
}

INSTANTIATE_TEST_SUITE_P(Places, PipelineTest,
                         testing::Values(Place{"host", false, false, 16}, Place{"device_1", true, true, 1},
                                         Place{"device_3", true, true, 3}, Place{"device_16", true, true, 16},
                                         Place{"host_sampler_behind_device", true, false, 16}),
                         [](const auto& info) { return info.param.name; });

class ReplayTest : public PipelineTest {};

TEST_P(ReplayTest, OneWaitForEveryRepeat) {
  run({{"", {1}}}, {.max_new = 33, .ignore_eos = true});
  EXPECT_EQ(counts.replays, 32);
  EXPECT_LE(counts.waits, (32 + GetParam().replay - 1) / GetParam().replay + 2);
  EXPECT_EQ(counts.bodies, 1);
}

INSTANTIATE_TEST_SUITE_P(Places, ReplayTest,
                         testing::Values(Place{"device_3", true, true, 3}, Place{"device_16", true, true, 16}),
                         [](const auto& info) { return info.param.name; });

class NeedsOrder final : public Sink {
  uint32_t wants() const override { return kLogits; }
  void token(const TokenEvent&) override {}
};

std::string refusal(const std::vector<Prompt>& prompts, const Generation& generation) {
  return error_of([&] { plan_limits(kShape, prompts, generation, {}, {}); });
}

TEST(PipelineInput, WhatDoesNotFitIsNamed) {
  EXPECT_THAT(refusal({}, {}), IsMessage("prompt"));
  EXPECT_THAT(refusal({{"", {1}}, {"", {}}}, {}), IsMessage("prompt 1"));
  EXPECT_THAT(refusal({{"", std::vector<int32_t>(65, 1)}}, {.max_new = 1}), IsMessage("prompt 0", "65", "64"));
  EXPECT_THAT(refusal({{"", std::vector<int32_t>(10, 1)}}, {.n_gen = 10}), IsMessage("prompt 0", "10"));
  EXPECT_THAT(refusal({{"", {1, 40}}}, {}), IsMessage("prompt 0", "40"));
  EXPECT_THAT(refusal({{"", {1, -1}}}, {}), IsMessage("prompt 0", "-1", "40"));
  EXPECT_EQ(refusal({{"", {1}}}, {}), "no error");
}

TEST(PipelineInput, ASinkThatWantsLogitsTakesAnyOrder) {
  NeedsOrder sink;
  Sink* sinks[] = {&sink};
  Argmax argmax(false);
  const std::vector<Prompt> prompts = {{"", {1}}};
  const ShapeOnly checkpoint(kShape);
  const Chain chain{{&argmax}, Space::host, false};
  const auto ops = std::make_shared<ScriptedOps>(std::make_shared<Script>());
  HostSession<ScriptedOps> session(ops, checkpoint, plan_limits(kShape, prompts, {}, sinks, chain), {});
  EXPECT_THROW(generate(session, kShape, chain, sinks, nullptr, prompts, {}, ""), Error);
}

}  // namespace
}  // namespace gpt2run::test
