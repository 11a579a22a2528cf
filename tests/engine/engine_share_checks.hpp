// Prompts that are read once for several requests: groups of equal prompts, and prefixes that a slot still holds.
#pragma once
#include "engine/engine_rig.hpp"

namespace gpt2run::test {

TEST_P(EngineTest, EqualPromptsOfAGroupAreReadOnce) {
  constexpr int kPromptTokens = 13, kRequests = 7, kNew = 6;
  for (const uint32_t wants : {0u, uint32_t{kLogprob}, uint32_t{kLogprob | kPrompt}, uint32_t{kLogits | kPrompt}}) {
    Rig rig(GetParam());
    std::vector<RequestId> ids;
    const auto request_of_sample = [&](int i) {
      TestRequest spec = request_for(some_prompt(kPromptTokens), kNew, i, wants);
      spec.request.group = 5;
      return spec;
    };
    for (int i = 0; i < kRequests; ++i) ids.push_back(rig.submit(request_of_sample(i)));
    rig.run();
    ids.push_back(
        rig.submit(request_of_sample(kRequests)));  // nothing runs any more, but a slot still holds the prompt
    rig.run();
    for (int i = 0; i <= kRequests; ++i)
      expect_same(rig.listener.of(ids[i]), alone(request_of_sample(i)), std::to_string(wants));
    const EngineCounts& counts = rig.engine().counts();
    EXPECT_EQ(counts.prompt_tokens, (kRequests + 1) * kPromptTokens);
    EXPECT_EQ(counts.cached_tokens, kRequests * (kPromptTokens - 1)) << wants;
    const int64_t rows = kPromptTokens - 1 + (kRequests + 1) * kNew;
    EXPECT_GE(counts.rows, rows);
    EXPECT_LE(counts.rows, rows + (kRequests + 1) * (GetParam().replay - 1)) << "a replay may run past the end";
  }
}

// The request that read the prompt first has ended, and its slot holds another prompt. The log-probability after the
// prefix must still be right.
TEST_P(EngineTest, AGroupOutlivesTheSlotThatReadItsPrompt) {
  Rig rig(GetParam());
  const auto request_of_sample = [](int64_t max_new, uint64_t sequence) {
    TestRequest spec = request_for(some_prompt(9), max_new, sequence, kLogprob | kPrompt);
    spec.request.group = 1;
    return spec;
  };
  const RequestId first = rig.submit(request_of_sample(1, 0)), second = rig.submit(request_of_sample(30, 1));
  const RequestId other = rig.submit(request_for(some_prompt(2, 3), 1, 2));
  while (!rig.listener.has_finished(first)) rig.step();
  const RequestId next = rig.submit(request_for(some_prompt(9, 4), 30, 3, kLogprob | kPrompt));
  rig.step();
  const RequestId third = rig.submit(request_of_sample(5, 4));
  rig.run();
  expect_same(rig.listener.of(first), alone(request_of_sample(1, 0)));
  expect_same(rig.listener.of(second), alone(request_of_sample(30, 1)));
  expect_same(rig.listener.of(third), alone(request_of_sample(5, 4)));
  expect_same(rig.listener.of(other), alone(request_for(some_prompt(2, 3), 1, 2)));
  expect_same(rig.listener.of(next), alone(request_for(some_prompt(9, 4), 30, 3, kLogprob | kPrompt)));
  EXPECT_EQ(rig.engine().counts().cached_tokens, 2 * 8);
}

// The prompts of a group that are not equal: a prefix of another one, an extension of it, or one with another last
// token.
TEST_P(EngineTest, UnequalPromptsOfAGroupShareNothingWrong) {
  for (const uint32_t wants : {0u, uint32_t{kLogprob}, uint32_t{kLogprob | kPrompt}}) {
    std::vector<TestRequest> requests;
    const RequestLog text = alone(request_for(some_prompt(9), 8, 0, wants));
    std::vector<int32_t> longer = some_prompt(9), last = some_prompt(9);
    longer.insert(longer.end(), text.tokens.begin(), text.tokens.end());
    last.back() = (last.back() + 1) % 22;
    for (const auto& prompt : {some_prompt(9), longer, last, some_prompt(8), some_prompt(2), longer, some_prompt(9)}) {
      requests.push_back(request_for(prompt, 8, 0, wants));
      requests.back().request.group = 2;
    }
    for (const int slots : {1, 3}) {
      Rig rig(GetParam(), {.slots = slots});
      std::vector<RequestId> ids;
      for (const TestRequest& spec : requests) {
        ids.push_back(rig.submit(spec));
        for (int i = 0; i < 5; ++i) rig.step();
      }
      rig.run();
      for (size_t i = 0; i < ids.size(); ++i)
        expect_same(rig.listener.of(ids[i]), alone(requests[i]),
                    std::to_string(i) + " of " + std::to_string(slots) + " slots");
    }
  }
}

// If the request that reads a group's prompt is cancelled before its end, the next one of the group reads it.
TEST_P(EngineTest, ACancelledReaderLeavesItsGroupNothingWrong) {
  for (int steps = 0; steps < 5; ++steps) {
    Rig rig(GetParam());
    std::vector<RequestId> ids;
    TestRequest spec = request_for(some_prompt(15), 5, 0, kLogprob | kPrompt);
    spec.request.group = 3;
    for (int i = 0; i < 3; ++i) ids.push_back(rig.submit(spec));
    for (int i = 0; i < steps; ++i) rig.step();
    rig.engine().cancel(ids[0]);
    rig.run();
    expect_same(rig.listener.of(ids[1]), alone(spec), std::to_string(steps));
    expect_same(rig.listener.of(ids[2]), alone(spec), std::to_string(steps));
  }
}

TEST_P(EngineTest, ReuseTakesOverWhatASlotHolds) {
  RigOptions setup{.slots = 2};
  setup.options.reuse = true;
  Rig rig(GetParam(), setup);
  const bool shares = shares_by_content(rig);
  const EngineCounts& counts = rig.engine().counts();
  int64_t cached = 0;
  const auto expect = [&](const TestRequest& spec, int64_t tokens, const char* which) {
    const RequestId id = rig.submit(spec);
    rig.run();
    expect_same(rig.listener.of(id), alone(spec), which);
    EXPECT_EQ(counts.cached_tokens - cached, shares ? tokens : 0) << which;
    cached = counts.cached_tokens;
  };
  const TestRequest first = request_for(some_prompt(12), 7, 1);
  expect(first, 0, "the first one");
  expect(first, 11, "the same again, but for its last token");
  TestRequest turn = first;
  const std::vector<int32_t> answer = alone(first).tokens;
  turn.request.tokens.insert(turn.request.tokens.end(), answer.begin(), answer.end() - 1);
  for (const int32_t id : {3, 1, 4}) turn.request.tokens.push_back((answer.back() + id) % 22);
  expect(turn, 12 + 6, "what was said so far, and more");
  TestRequest shorter = request_for(some_prompt(8), 7, 2);
  shorter.request.tokens.back() = (shorter.request.tokens.back() + 1) % 22;
  expect(shorter, 7, "another end");
  TestRequest shown = first;
  shown.request.wants |= kPrompt;
  expect(shown, 0, "a prompt that is shown is read");
  TestRequest end = request_for(some_prompt(8), 0, 2);
  end.request.end_logits = true;
  expect(end, 7, "the last token is read for its logits");
  expect(request_for(some_prompt(1), 4), 0, "one token");
}

// A request without a prefix to share takes an unused slot, or the one whose request ended first, so that prefixes are
// kept as long as there is room.
TEST_P(EngineTest, ReuseKeepsTheLatestPrefixes) {
  RigOptions setup{.slots = 3};
  setup.options.reuse = true;
  Rig rig(GetParam(), setup);
  const bool shares = shares_by_content(rig);
  const auto cached_for = [&](int first) {
    const int64_t before = rig.engine().counts().cached_tokens;
    rig.submit(request_for(some_prompt(6, first), 2));
    rig.run();
    return rig.engine().counts().cached_tokens - before;
  };
  const int64_t whole = shares ? 5 : 0;
  for (const int first : {2, 9, 16}) EXPECT_EQ(cached_for(first), 0) << first;
  for (const int first : {2, 9, 16}) EXPECT_EQ(cached_for(first), whole) << first << " is still there";
  EXPECT_EQ(cached_for(2), whole);
  EXPECT_EQ(cached_for(20), 0) << "takes the slot of 9";
  for (const int first : {2, 16, 20}) EXPECT_EQ(cached_for(first), whole) << first << " after 20";
  EXPECT_EQ(cached_for(9), 0) << "was dropped";
}

// Prefixes are reused from slots that still decode, and while their prompts are being read.
TEST_P(EngineTest, ReuseOfWhatRunningRequestsHold) {
  RigOptions setup;
  setup.options.reuse = true;
  Rig rig(GetParam(), setup);
  std::vector<RequestId> ids;
  for (int i = 0; i < 6; ++i) {
    ids.push_back(rig.submit(request_for(some_prompt(21 - i), 9, i)));
    rig.step();
  }
  rig.run();
  for (int i = 0; i < 6; ++i)
    expect_same(rig.listener.of(ids[i]), alone(request_for(some_prompt(21 - i), 9, i)), std::to_string(i));
  EXPECT_EQ(rig.engine().counts().cached_tokens > 0, shares_by_content(rig));
}

}  // namespace gpt2run::test
