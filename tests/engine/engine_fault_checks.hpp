// Faults: those that end one request and affect no other, and those that step() throws, after which reset() makes the
// engine usable again.
#pragma once
#include "engine/engine_rig.hpp"
#include "support/argmax.hpp"

namespace gpt2run::test {

// Argmax, except at one position of one sequence: there it writes `id`, or puts NaN into the logits.
struct FaultyArgmax final : Sampler {
  FaultyArgmax(uint64_t sequence, int32_t position, int32_t id, bool nan)
      : sequence(sequence), position(position), id(id), nan(nan) {}
  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) {
      const bool hit = batch.keys[row].sequence == sequence && batch.keys[row].position == position;
      if (hit && nan) logits_of(batch, row)[1] = std::numeric_limits<float>::quiet_NaN();
      choice_of(batch, row) = hit && !nan ? id : select_argmax(logits_of(batch, row));
    }
  }
  uint64_t sequence;
  int32_t position, id;
  bool nan;
};

// A sampler that throws at its n-th call.
struct ThrowingSampler final : Sampler {
  ThrowingSampler(std::unique_ptr<Sampler> inner, std::shared_ptr<int> left)
      : inner(std::move(inner)), left(std::move(left)) {}
  void prepare(const LogitBatch& layout) override { inner->prepare(layout); }
  void configure(int32_t slot, const Options* options) override { inner->configure(slot, options); }
  void sample(const LogitBatch& batch) override {
    if (--*left == 0) fail("the sampler is broken");
    inner->sample(batch);
  }
  std::unique_ptr<Sampler> inner;
  std::shared_ptr<int> left;
};

TEST_P(EngineTest, AFaultOfTheSamplerEndsItsRequestOnly) {
  constexpr int kPromptTokens = 6;
  for (const int32_t id : {kNone, 23, -7, INT32_MAX, 0}) {
    for (const int chosen : {0, 3}) {
      const bool nan = id == 0;
      std::vector<std::unique_ptr<Sampler>> samplers;
      samplers.push_back(std::make_unique<FaultyArgmax>(1, kPromptTokens + chosen, id, nan));
      const auto chain = chain_of_tests(GetParam(), std::move(samplers), nan);
      Rig rig(GetParam());
      std::vector<RequestId> ids;
      for (uint64_t sequence = 0; sequence < 5; ++sequence) {
        Request request = request_for(some_prompt(kPromptTokens), 12, sequence).request;
        request.chain = chain;
        ids.push_back(rig.submit(std::move(request)));
      }
      rig.run();
      TestRequest greedy = request_for(some_prompt(kPromptTokens), 12);
      greedy.chain = kGreedy;
      const RequestLog expected = alone(greedy);
      for (const uint64_t sequence : {0, 2, 3, 4})
        expect_same(rig.listener.of(ids[sequence]), expected, std::to_string(id));
      const RequestLog& fault = rig.listener.of(ids[1]);
      EXPECT_EQ(fault.reason, Reason::error) << id;
      EXPECT_TRUE(fault.error.starts_with("sequence 1, position " + std::to_string(kPromptTokens + chosen) + ": "))
          << fault.error;
      const std::string part = id == kNone || nan ? "no token can be chosen" : "found " + std::to_string(id);
      EXPECT_NE(fault.error.find(part), std::string::npos) << fault.error;
      EXPECT_EQ(fault.tokens.size(), size_t(chosen));
      EXPECT_TRUE(begins(expected.tokens, fault.tokens));
      EXPECT_TRUE(begins(expected.logprobs, fault.logprobs));
    }
  }
}

TEST_P(EngineTest, RefusedOptionsEndTheirRequestOnly) {
  Rig rig(GetParam(), {.slots = 2});
  TestRequest refused = request_for(some_prompt(6), 9, 0, kLogprob | kPrompt);
  refused.chain = kRefusing;
  refused.options = {{{"min_p", "7"}}, {}};
  const TestRequest plain = request_for(some_prompt(4), 12, 1);
  // This sampler takes no options of requests at all.
  std::vector<std::unique_ptr<Sampler>> samplers;
  samplers.push_back(std::make_unique<Argmax>(false));
  Request none = request_for(some_prompt(6), 9).request;
  none.chain = owning_chain(std::move(samplers), Space::host);
  none.options = {std::make_shared<const PluginOptions>(load_plugin(Kind::sampler, "nucleus"))};

  const RequestId before = rig.submit(plain), first = rig.submit(refused);
  rig.step();
  const RequestId second = rig.submit(none), after = rig.submit(plain);
  rig.run();
  EXPECT_EQ(rig.listener.of(first).reason, Reason::error);
  EXPECT_NE(rig.listener.of(first).error.find("min_p"), std::string::npos) << rig.listener.of(first).error;
  EXPECT_TRUE(rig.listener.of(first).prompt.empty());
  EXPECT_EQ(rig.listener.of(second).reason, Reason::error);
  EXPECT_NE(rig.listener.of(second).error.find("takes no options"), std::string::npos) << rig.listener.of(second).error;
  expect_same(rig.listener.of(before), alone(plain));
  expect_same(rig.listener.of(after), alone(plain));
}

// After step() has thrown, it keeps throwing until reset(); then everything works again.
inline void expect_reset_mends(const EngineBackend& backend, Rig& rig, const std::vector<TestRequest>& requests,
                               const std::string& when) {
  EXPECT_THROW(rig.step(), Error) << when;
  rig.listener.on_token = nullptr, rig.listener.on_start = rig.listener.on_finish = nullptr;
  rig.listener.forget();
  rig.engine().reset();
  EXPECT_EQ(rig.engine().waiting() + rig.engine().running(), 0u) << when;
  EXPECT_FALSE(rig.step()) << when;
  std::vector<RequestId> ids;
  for (const TestRequest& spec : requests) ids.push_back(rig.submit(spec));
  rig.run();
  for (size_t i = 0; i < ids.size(); ++i) expect_same(rig.listener.of(ids[i]), alone(backend, requests[i]), when);
}

inline std::vector<TestRequest> requests_for_throws() {
  std::vector<TestRequest> requests = {
      request_for(some_prompt(3), 22, 0), request_for(some_prompt(9), 6, 1, kLogprob | kPrompt),
      request_for(some_prompt(9), 7, 2), request_for(some_prompt(9), 8, 3, kLogprob | kPrompt)};
  requests[2].chain = kPenaltyDraw;
  requests[1].request.group = requests[3].request.group = 1;
  return requests;
}

TEST_P(EngineTest, AfterASamplersThrowOnlyResetWorks) {
  const std::vector<TestRequest> requests = requests_for_throws();
  for (int calls = 1; calls < 8; ++calls) {
    RigOptions setup;
    setup.options.reuse = true;
    const auto left = std::make_shared<int>(calls);
    std::vector<std::unique_ptr<Sampler>> samplers;
    const SamplerName draw = samplers_of(kDraw)[0];
    samplers.push_back(
        std::make_unique<ThrowingSampler>(GetParam().make_sampler(draw.name, draw.created, GetParam().samplers), left));
    setup.chain = owning_chain(std::move(samplers), GetParam().samplers);
    Rig rig(GetParam(), setup);
    for (const TestRequest& spec : requests) rig.submit(spec);
    const std::string when = "call " + std::to_string(calls);
    try {
      rig.run();
      EXPECT_GT(*left, 0) << when;
      EXPECT_GT(GetParam().replay, 1) << "a replay calls no sampler, every other step does";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "the sampler is broken");
      expect_reset_mends(GetParam(), rig, requests, when);
    }
  }
}

TEST_P(EngineTest, AfterAListenersThrowOnlyResetWorks) {
  const std::vector<TestRequest> requests = requests_for_throws();
  for (int calls = 1; calls < 60; calls += calls < 20 ? 1 : 7) {
    Rig rig(GetParam(), {.slots = 2});
    for (const TestRequest& spec : requests) rig.submit(spec);
    const auto count = [&] {
      if (rig.listener.calls == calls) fail("the listener is broken");
    };
    rig.listener.on_start = rig.listener.on_finish = [&](RequestId) { count(); };
    rig.listener.on_token = [&](RequestId, const TokenEvent&) { count(); };
    const std::string when = "call " + std::to_string(calls);
    try {
      rig.run();
      FAIL() << when << ": there are as many calls";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "the listener is broken");
      expect_reset_mends(GetParam(), rig, requests, when);
    }
  }
}

// reset() forgets what the slots hold, because somebody else may have used the session.
TEST_P(EngineTest, ResetForgetsPrefixes) {
  RigOptions setup{.slots = 1};
  setup.options.reuse = true;
  setup.session = open_session(GetParam(), setup);
  Rig rig(GetParam(), setup);
  const TestRequest spec = request_for(some_prompt(12), 7, 1);
  rig.submit(spec);
  rig.run();
  {
    Rig other(GetParam(), setup);
    other.submit(request_for(some_prompt(12, 5), 20));
    other.run();
  }
  rig.engine().reset();
  const RequestId id = rig.submit(spec);
  rig.run();
  expect_same(rig.listener.of(id), alone(spec));
  EXPECT_EQ(rig.engine().counts().cached_tokens, 0);
}

// A sampler keeps options by slot for the session it was prepared for last. After a smaller session the first engine's
// steps throw, until reset() prepares its samplers again.
TEST_P(EngineTest, ResetPreparesTheSamplersAgain) {
  const auto shared = named_chain(GetParam(), kDraw);
  Rig rig(GetParam(), {.slots = 3, .chain = shared});
  std::vector<TestRequest> requests;
  for (uint64_t sequence = 0; sequence < 3; ++sequence) requests.push_back(request_for(some_prompt(4), 9, sequence));
  for (const TestRequest& spec : requests) rig.submit(spec);
  rig.run();
  Rig other(GetParam(), {.slots = 1, .chain = shared});
  const RequestId id = other.submit(requests[0]);
  other.run();
  expect_same(other.listener.of(id), alone(requests[0]));
  for (const TestRequest& spec : requests) rig.submit(spec);
  EXPECT_THROW(rig.run(), Error);
  expect_reset_mends(GetParam(), rig, requests, "another session");
}

// The order in which one engine takes another's place must not matter.
TEST_P(EngineTest, TimesBelongToTheEngineThatSteps) {
  RigOptions setup{.slots = 1};
  setup.options.wants |= kTimes;
  setup.session = open_session(GetParam(), setup);
  const auto measures = [](Rig& rig) {
    rig.submit(request_for(some_prompt(4), 3));
    rig.run();
    EXPECT_FALSE(rig.listener.forward_times.empty());
    return std::ranges::all_of(rig.listener.forward_times, [](float time) { return time > 0; });
  };
  auto first = std::make_unique<Rig>(GetParam(), setup);
  if (!measures(*first)) GTEST_SKIP() << "no times";
  Rig second(GetParam(), setup);
  first.reset();
  EXPECT_TRUE(measures(second));
}

}  // namespace gpt2run::test
