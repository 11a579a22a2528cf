// What the engine guarantees on every backend: each request gives the same tokens, log-probabilities (bit for bit) and
// text as alone in a fresh engine, whatever arrives, ends or is cancelled at the same time. A program includes this
// file once, and instantiates EngineTest with its backends.
#pragma once
#include <numeric>

#include "engine/engine_cancel_checks.hpp"
#include "engine/engine_fault_checks.hpp"
#include "engine/engine_rig.hpp"
#include "engine/engine_schedule_checks.hpp"
#include "engine/engine_share_checks.hpp"

namespace gpt2run::test {

TEST_P(EngineTest, RequestsThatArriveWhileOthersDecode) {
  Rig rig(GetParam());
  std::vector<RequestId> ids;
  for (const KnownRequest& one : known()) {
    ids.push_back(rig.submit(one.spec));
    for (size_t steps = ids.size() % 3; steps > 0; --steps) rig.step();
  }
  rig.run();
  for (size_t i = 0; i < ids.size(); ++i) expect_same(rig.listener.of(ids[i]), known()[i].alone, std::to_string(i));
  EXPECT_EQ(rig.engine().waiting() + rig.engine().running(), 0u);
  EXPECT_FALSE(rig.step());
  EXPECT_EQ(rig.engine().counts().requests, std::ssize(ids));
}

TEST_P(EngineTest, RequestsThatArriveTogether) {
  Rig rig(GetParam(), {.slots = 5});
  std::vector<RequestId> ids;
  for (const KnownRequest& one : known()) ids.push_back(rig.submit(one.spec));
  int64_t prompts = 0, chosen = 0;
  rig.run();
  for (size_t i = 0; i < ids.size(); ++i) {
    expect_same(rig.listener.of(ids[i]), known()[i].alone, std::to_string(i));
    prompts += std::ssize(known()[i].spec.request.tokens), chosen += std::ssize(known()[i].alone.tokens);
  }
  const EngineCounts& counts = rig.engine().counts();
  EXPECT_EQ(counts.prompt_tokens, prompts);
  EXPECT_EQ(counts.new_tokens, chosen);
  EXPECT_EQ(counts.cached_tokens, 0);
  EXPECT_EQ(counts.replayed > 0, GetParam().replay > 1) << "the backend is what it says";
}

// Listeners submit from inside callbacks. Requests that end at once must not keep a single step going.
TEST_P(EngineTest, RequestsThatListenersSubmit) {
  Rig rig(GetParam(), {.slots = 2});
  std::map<RequestId, size_t> which;
  const auto submit = [&] {
    const size_t next = which.size();
    if (next < known().size()) which[rig.submit(known()[next].spec)] = next;
  };
  rig.listener.on_finish = [&](RequestId) { submit(); };
  rig.listener.on_token = [&](RequestId, const TokenEvent& event) {
    if (event.step == 2) submit();
  };
  submit(), submit();
  rig.run();
  EXPECT_EQ(which.size(), known().size());
  for (const auto& [id, i] : which) expect_same(rig.listener.of(id), known()[i].alone, std::to_string(i));

  int submitted = 0;
  rig.listener.on_token = nullptr;
  rig.listener.on_finish = [&](RequestId) {
    if (++submitted < 100) rig.submit(request_for({3}, 0));
  };
  rig.submit(request_for({3}, 0));
  EXPECT_TRUE(rig.step());
  EXPECT_EQ(submitted, 1) << "what is submitted in a step waits for the next one";
}

TEST_P(EngineTest, GreaterPrioritiesStartFirst) {
  Rig rig(GetParam(), {.slots = 1});
  std::vector<RequestId> ids;
  for (const int priority : {0, 5, 5, -2, 9, 0}) {
    TestRequest spec = request_for(some_prompt(3), 2, ids.size());
    spec.request.priority = priority;
    ids.push_back(rig.submit(spec));
  }
  rig.step();
  EXPECT_EQ(rig.engine().running(), 1u);
  EXPECT_EQ(rig.engine().waiting(), 5u);
  TestRequest urgent = request_for(some_prompt(3), 2, 9);
  urgent.request.priority = INT32_MAX;
  ids.push_back(rig.submit(urgent));
  rig.run();
  const std::vector<RequestId> expected = {ids[4], ids[6], ids[1], ids[2], ids[0], ids[5], ids[3]};
  EXPECT_EQ(rig.listener.starts, expected);
  for (size_t i = 0; i < 6; ++i) expect_same(rig.listener.of(ids[i]), alone(request_for(some_prompt(3), 2, i)));
}

// A request's options have the same effect as creating the sampler with them.
TEST_P(EngineTest, OptionsSideBySide) {
  const std::vector<OptionValues> all = {{{"temp", "0.3"}, {"top_k", "0"}, {"top_p", "1"}},
                                         {{"temp", "4"}, {"top_k", "0"}, {"top_p", "1"}},
                                         {{"temp", "4"}, {"top_k", "2"}, {"top_p", "1"}},
                                         {{"temp", "4"}, {"top_k", "1"}, {"top_p", "1"}},
                                         {{"temp", "2"}, {"top_k", "0"}, {"top_p", "0.4"}},
                                         {{"temp", "4"}, {"top_k", "0"}, {"top_p", "1"}, {"min_p", "0.6"}}};
  Rig rig(GetParam(), {.slots = 4});
  const TestRequest plain = request_for(some_prompt(6), 20);
  std::vector<RequestId> ids;
  for (const OptionValues& options : all) {
    TestRequest spec = plain;
    spec.options = {options};
    ids.push_back(rig.submit(spec));
    ids.push_back(rig.submit(plain));
    rig.step();
  }
  rig.run();
  std::vector<std::vector<int32_t>> texts = {alone(plain).tokens};
  for (size_t i = 0; i < all.size(); ++i) {
    RigOptions created;
    created.created = all[i];
    expect_same(rig.listener.of(ids[2 * i]), alone(plain, created), "with options " + std::to_string(i));
    expect_same(rig.listener.of(ids[2 * i + 1]), alone(plain), "beside options " + std::to_string(i));
    for (const auto& other : texts)
      EXPECT_NE(rig.listener.of(ids[2 * i]).tokens, other) << "the options change the text";
    texts.push_back(rig.listener.of(ids[2 * i]).tokens);
  }
}

TEST_P(EngineTest, ChainsOfTheirOwnSideBySide) {
  Rig rig(GetParam(), {.slots = 4});
  std::vector<TestRequest> requests;
  for (const ChainName chain : {kDraw, kPenaltyDraw, kGreedy, kHostChain}) {
    requests.push_back(request_for(some_prompt(6), 20, 3));
    requests.back().chain = chain;
  }
  requests.push_back(requests[1]);
  requests.back().options = {{{"penalty", "9"}, {"last_n", "0"}}, {}};
  std::vector<RequestId> ids;
  for (const TestRequest& spec : requests) {
    ids.push_back(rig.submit(spec));
    rig.step();
  }
  rig.run();
  for (size_t i = 0; i < ids.size(); ++i) expect_same(rig.listener.of(ids[i]), alone(requests[i]), std::to_string(i));
  EXPECT_EQ(rig.listener.of(ids[0]).tokens, rig.listener.of(ids[3]).tokens) << "the same sampler behind a device";
  EXPECT_NE(rig.listener.of(ids[0]).tokens, rig.listener.of(ids[1]).tokens);
  EXPECT_NE(rig.listener.of(ids[1]).tokens, rig.listener.of(ids[4]).tokens);
}

// A sampler that serves a running request must not be prepared again when another chain with it arrives.
TEST_P(EngineTest, ASamplerInTwoChainsKeepsItsOptions) {
  Rig rig(GetParam());
  TestRequest spec = request_for(some_prompt(6), 20);
  spec.options = {{{"temp", "0.3"}, {"top_k", "0"}, {"top_p", "1"}}};
  const RequestId first = rig.submit(spec);
  rig.step();
  const auto twin = std::make_shared<const Chain>(*rig.chain(kDraw));
  Request plain = request_for(some_prompt(6), 20).request;
  plain.chain = twin;
  const RequestId second = rig.submit(plain);
  rig.run();
  expect_same(rig.listener.of(first), alone(spec));
  expect_same(rig.listener.of(second), alone(request_for(some_prompt(6), 20)));
}

// There are more recorded steps than are kept, and each belongs to a chain that is gone afterwards.
TEST_P(EngineTest, ManyChainsOneAfterAnother) {
  Rig rig(GetParam(), {.slots = 2});
  const TestRequest spec = request_for(some_prompt(3), 8);
  const RequestLog expected = alone(spec);
  std::map<std::string, RequestLog> with;
  for (const char* temp : {"0.3", "5"}) {
    RigOptions created;
    created.created = {{"temp", temp}};
    with[temp] = alone(spec, created);
  }
  for (int i = 0; i < 80; ++i) {
    const char* temp = i % 2 ? "0.3" : "5";
    Request own = spec.request;
    own.chain = named_chain(GetParam(), kDraw, {{"temp", temp}});
    const RequestId id = rig.submit(std::move(own)), plain = i % 10 ? 0 : rig.submit(spec);
    rig.run();
    expect_same(rig.listener.of(id), with[temp], "chain " + std::to_string(i));
    if (plain) expect_same(rig.listener.of(plain), expected, "beside chain " + std::to_string(i));
  }
}

// What the first engine has recorded in the session must not be replayed for the second, although it takes the same
// steps.
TEST_P(EngineTest, TwoEnginesOneAfterAnotherOnOneSession) {
  const TestRequest spec = request_for(some_prompt(6), 24);
  RigOptions setup;
  setup.session = open_session(GetParam(), setup);
  std::vector<std::shared_ptr<const Chain>> chains;  // kept alive, so that a wrong replay gives wrong tokens
  std::vector<std::vector<int32_t>> texts;
  for (const ChainName name : {kGreedy, kPenaltyDraw, kDraw, kGreedy}) {
    chains.push_back(setup.chain = named_chain(GetParam(), name));
    Rig rig(GetParam(), setup);
    const RequestId id = rig.submit(spec);
    rig.run();
    TestRequest named = spec;
    named.chain = name;
    expect_same(rig.listener.of(id), alone(named), "engine " + std::to_string(chains.size()));
    texts.push_back(rig.listener.of(id).tokens);
  }
  EXPECT_NE(texts[0], texts[1]);
  EXPECT_NE(texts[1], texts[2]);
  EXPECT_NE(texts[0], texts[2]);
}

// Decoding neighbours get a row in every step, and no step has more rows than the slots plus one chunk.
TEST_P(EngineTest, NoNeighbourWaitsLongerThanOneChunk) {
  constexpr int kSlots = 3, kChunk = 4;
  Rig rig(GetParam(), {.slots = kSlots});
  const std::vector<RequestId> decoding = {rig.submit(request_for(some_prompt(2), 37, 0, 0)),
                                           rig.submit(request_for(some_prompt(1), 37, 1, 0))};
  rig.step(), rig.step();
  const RequestId late = rig.submit(request_for(some_prompt(31), 3, 2, 0));
  const EngineCounts& counts = rig.engine().counts();
  int steps = 0;
  while (rig.listener.of(late).tokens.empty()) {
    const EngineCounts before = counts;
    std::vector<size_t> lengths;
    for (const RequestId id : decoding) lengths.push_back(rig.listener.of(id).tokens.size());
    ASSERT_TRUE(rig.step());
    ASSERT_LT(++steps, 20);
    ASSERT_EQ(counts.steps, before.steps + 1) << "nothing is replayed while a prompt is read";
    EXPECT_LE(counts.rows - before.rows, kSlots + kChunk);
    for (size_t i = 0; i < decoding.size(); ++i)
      EXPECT_TRUE(rig.listener.of(decoding[i]).tokens.size() == lengths[i] + 1 ||
                  rig.listener.has_finished(decoding[i]))
          << i;
  }
  EXPECT_LE(steps, 30 / kChunk + 2) << "and the prompt gets a chunk in every step";
  rig.run();
  expect_same(rig.listener.of(late), alone(request_for(some_prompt(31), 3, 2, 0)));
}

// Short prompts that keep arriving must not delay a long prompt that came before them.
TEST_P(EngineTest, PromptsAreReadInTheOrderOfAdmission) {
  constexpr int kChunk = 4;
  Rig rig(GetParam(), {.slots = 3});
  const RequestId longer = rig.submit(request_for(some_prompt(33), 3, 0, 0));
  int steps = 0;
  for (; rig.listener.of(longer).tokens.empty() && steps < 40; ++steps) {
    rig.submit(request_for(some_prompt(kChunk + 1), 1, 1 + steps, 0));
    rig.step();
  }
  EXPECT_LE(steps, 32 / kChunk + 2);
  rig.run();
  expect_same(rig.listener.of(longer), alone(request_for(some_prompt(33), 3, 0, 0)));
}

// A sampler of argmax that records which draw each row would make.
struct DrawsRecorder final : Sampler {
  explicit DrawsRecorder(std::shared_ptr<std::vector<int32_t>> draws) : draws(std::move(draws)) {}
  void sample(const LogitBatch& batch) override {
    for (int32_t row = 0; row < batch.rows; ++row) {
      const RowKey& key = batch.keys[row];
      draws->push_back(key.position + key.shift);
      choice_of(batch, row) = select_argmax(logits_of(batch, row));
    }
  }
  std::shared_ptr<std::vector<int32_t>> draws;
};

// Beyond the context a request goes on as one whose prompt is its last tokens.
TEST_P(EngineTest, AShiftedContextIsThatOfTheLastTokens) {
  const int context = engine_model().config().T, keep = 7;
  TestRequest spec = request_for(some_prompt(5), 2 * context);
  spec.chain = kGreedy, spec.request.context_shift = keep;
  TestRequest piece = request_for(some_prompt(5), context + 1 - 5);
  piece.chain = kGreedy;
  std::vector<int32_t> expected;
  Bits logprobs;
  while (std::ssize(expected) < 2 * context) {
    const RequestLog part = alone(piece);
    expected.insert(expected.end(), part.tokens.begin(), part.tokens.end());
    logprobs.insert(logprobs.end(), part.logprobs.begin(), part.logprobs.end());
    piece = request_for({expected.end() - keep, expected.end()}, context + 1 - keep);
    piece.chain = kGreedy;
  }
  expected.resize(2 * context), logprobs.resize(2 * context);
  Rig rig(GetParam());
  const RequestId id = rig.submit(spec);
  rig.submit(request_for(some_prompt(9), 20));
  rig.run();
  const RequestLog& log = rig.listener.of(id);
  EXPECT_EQ(log.reason, Reason::length);
  EXPECT_EQ(log.tokens, expected);
  EXPECT_EQ(log.logprobs, logprobs);
}

TEST_P(EngineTest, DrawsCountOnWhenTheContextIsShifted) {
  const int context = engine_model().config().T;
  const auto draws = std::make_shared<std::vector<int32_t>>();
  std::vector<std::unique_ptr<Sampler>> samplers;
  samplers.push_back(std::make_unique<DrawsRecorder>(draws));
  Rig rig(GetParam());
  Request request = request_for(some_prompt(5), 2 * context).request;
  request.chain = chain_of_tests(GetParam(), std::move(samplers));
  request.context_shift = context / 3;
  rig.submit(std::move(request));
  rig.run();
  ASSERT_GE(draws->size(), 1u);
  if (GetParam().replay > 1) return;  // a replay calls no sampler
  std::vector<int32_t> expected(2 * context);
  std::iota(expected.begin(), expected.end(), 5);
  EXPECT_EQ(*draws, expected);
}

TEST_P(EngineTest, ContextShiftsThatCannotBe) {
  Rig rig(GetParam(), {.context = 12});
  for (const int keep : {-1, 12, 13}) {
    Request request = request_for(some_prompt(5), 9).request;
    request.context_shift = keep;
    EXPECT_THROW(rig.submit(std::move(request)), Error) << keep;
  }
  // A request that ends before the context is full may ask for more than a shift could keep.
  TestRequest short_one = request_for(some_prompt(5), 8);
  const RequestLog expected = alone(short_one);
  short_one.request.context_shift = 50;
  const RequestId id = rig.submit(short_one);
  rig.run();
  expect_same(rig.listener.of(id), expected);
  RigOptions setup;
  setup.options.recompute = true;
  Rig recomputing(GetParam(), setup);
  Request request = request_for(some_prompt(5), 9).request;
  request.context_shift = 5;
  EXPECT_THROW(recomputing.submit(std::move(request)), Error);
}

TEST_P(EngineTest, TheContextsEnd) {
  const int context = engine_model().config().T;
  Rig rig(GetParam());
  const RequestId endless = rig.submit(request_for(some_prompt(5), INT64_MAX)),
                  full = rig.submit(request_for(some_prompt(context), 5));
  const RequestId exact = rig.submit(request_for(some_prompt(5), context + 1 - 5)),
                  read = rig.submit(request_for(some_prompt(context), 0));
  rig.run();
  EXPECT_EQ(rig.listener.of(endless).tokens.size(), size_t(context) + 1 - 5);
  EXPECT_EQ(rig.listener.of(endless).reason, Reason::context);
  EXPECT_EQ(rig.listener.of(full).tokens.size(), 1u);
  EXPECT_EQ(rig.listener.of(full).reason, Reason::context);
  EXPECT_EQ(rig.listener.of(exact).tokens, rig.listener.of(endless).tokens);
  EXPECT_EQ(rig.listener.of(exact).reason, Reason::length);
  EXPECT_EQ(rig.listener.of(read).reason, Reason::length);
  EXPECT_TRUE(rig.listener.of(read).tokens.empty());

  Rig small(GetParam(), {.context = 12});
  const RequestId cut = small.submit(request_for(some_prompt(10), 9)),
                  beyond = small.submit(request_for(some_prompt(13), 0));
  small.run();
  EXPECT_EQ(small.listener.of(cut).tokens.size(), 3u);
  EXPECT_EQ(small.listener.of(cut).reason, Reason::context);
  EXPECT_EQ(small.listener.of(beyond).reason, Reason::length) << "nobody reads the last token";
  EXPECT_THROW(small.submit(request_for(some_prompt(13), 1)), Error);
}

// With kPrompt and end_logits, a listener gets the logits of all rows of the prompt.
TEST_P(EngineTest, LogitsOfAWholePrompt) {
  constexpr int kPromptTokens = 11, kChunk = 4;
  TestRequest spec = request_for(some_prompt(kPromptTokens), 0, 0, kPrompt | kLogits | kLogprob);
  spec.request.end_logits = true;
  Rig rig(GetParam());
  const RequestId id = rig.submit(spec), beside = rig.submit(request_for(some_prompt(5), 12, 1));
  TestRequest single = spec;
  single.request.tokens = some_prompt(1);
  const RequestId one = rig.submit(single);
  rig.run();

  const std::unique_ptr<Session> session = GetParam().open(engine_model(), {1, 40, kChunk, kChunk, 1, 0, false});
  const int vocab = engine_model().config().V;
  std::vector<Bits> expected;
  for (int fed = 0; fed < kPromptTokens;) {
    const int count = fed == kPromptTokens - 1 ? 1 : std::min(kChunk, kPromptTokens - 1 - fed);
    std::vector<Row> rows;
    for (int i = 0; i < count; ++i) rows.push_back({0, spec.request.tokens[fed + i], true});
    const LogitBatch batch = session->step(rows);
    std::vector<float> logits(vocab);
    for (int i = 0; i < count; ++i) {
      session->read(batch.logits + i * batch.stride, logits.data(), vocab * sizeof(float));
      expected.push_back(bits_of(logits.data(), vocab));
    }
    fed += count;
  }
  const RequestLog& log = rig.listener.of(id);
  ASSERT_EQ(log.prompt_logits.size(), size_t{kPromptTokens});
  EXPECT_TRUE(log.prompt_logits[0].empty()) << "nothing stands before the first token";
  for (int i = 1; i < kPromptTokens; ++i) EXPECT_EQ(log.prompt_logits[i], expected[i - 1]) << i;
  EXPECT_EQ(log.end_logits, expected.back());
  EXPECT_EQ(rig.listener.of(one).end_logits.size(), size_t(vocab));
  EXPECT_EQ(log.reason, Reason::length);
  expect_same(rig.listener.of(beside), alone(request_for(some_prompt(5), 12, 1)));
}

// Recomputing gives the same as the cache where the session promises that. It also works in a session of few rows,
// where full passes take turns.
TEST_P(EngineTest, Recompute) {
  for (const int rows : {12, 7, 4}) {
    RigOptions setup;
    setup.options.recompute = true, setup.options.reuse = true, setup.rows = rows;
    Rig rig(GetParam(), setup);
    std::vector<KnownRequest> requests = known();
    std::erase_if(requests, [](const KnownRequest& one) { return one.spec.request.context_shift > 0; });
    std::vector<RequestId> ids;
    for (const KnownRequest& one : requests) {
      ids.push_back(rig.submit(one.spec));
      rig.step();
    }
    rig.run();
    for (size_t i = 0; i < ids.size(); ++i) {
      const RequestLog expected = shares_by_content(rig) ? requests[i].alone : alone(requests[i].spec, setup);
      expect_same(rig.listener.of(ids[i]), expected, std::to_string(i) + " in " + std::to_string(rows) + " rows");
    }
    EXPECT_EQ(rig.engine().counts().cached_tokens, 0);
    EXPECT_EQ(rig.engine().counts().replayed, 0);
  }
}

// A tap that checks rows(): the embedding of each row must be that of its request's token at its position.
struct RowTap final : Tap {
  explicit RowTap(Rig& rig) : rig(rig) {}
  bool tensor(const char* op, int, float* host, int rows, int cols) override {
    const auto step_rows = rig.engine().rows();
    const bool is_last = std::string_view(op) == "norm_logits";
    const auto with_logits = std::ranges::count_if(step_rows, [](const StepRow& row) { return row.logits; });
    EXPECT_EQ(rows, is_last ? with_logits : std::ssize(step_rows)) << op;
    if (std::string_view(op) != "embed" || rows != std::ssize(step_rows)) return false;
    for (int r = 0; r < rows; ++r) {
      const StepRow& row = step_rows[r];
      const std::vector<int32_t>& prompt = prompts.at(row.request);
      const auto at = static_cast<size_t>(row.position + row.shift);
      const int32_t token =
          at < prompt.size() ? prompt[at] : rig.listener.of(row.request).tokens.at(at - prompt.size());
      const auto value = [&](Weight weight, int64_t i) {
        return static_cast<const float*>(engine_model().tensor(weight, 0).data)[i];
      };
      for (int c = 0; c < cols; ++c) {
        const float exact = value(Weight::wte, token * cols + c) + value(Weight::wpe, row.position * cols + c);
        EXPECT_NEAR(host[int64_t{r} * cols + c], exact, 0.01) << row.request << " at " << row.position;
      }
      ++seen;
    }
    return false;
  }
  Rig& rig;
  std::map<RequestId, std::vector<int32_t>> prompts;
  int64_t seen = 0;
};

TEST_P(EngineTest, RowsInsideATap) {
  Rig rig(GetParam());
  RowTap tap(rig);
  if (!rig.session().tap(nullptr)) {
    EXPECT_FALSE(rig.engine().tap(&tap)) << "a session without taps says so";
    return;
  }
  EXPECT_TRUE(rig.engine().tap(&tap));
  std::vector<RequestId> ids;
  for (const KnownRequest& one : known()) {
    ids.push_back(rig.submit(one.spec));
    tap.prompts[ids.back()] = one.spec.request.tokens;
    rig.step();
  }
  rig.run();
  for (size_t i = 0; i < ids.size(); ++i) expect_same(rig.listener.of(ids[i]), known()[i].alone, std::to_string(i));
  EXPECT_EQ(tap.seen, rig.engine().counts().rows);
  EXPECT_EQ(rig.engine().counts().replayed, 0) << "nothing is replayed while a tap is set";
  EXPECT_TRUE(rig.engine().tap(nullptr));
  const RequestId after = rig.submit(request_for(some_prompt(3), 20));
  rig.run();
  expect_same(rig.listener.of(after), alone(request_for(some_prompt(3), 20)));
  EXPECT_EQ(rig.engine().counts().replayed > 0, GetParam().replay > 1);
  EXPECT_LT(tap.seen, rig.engine().counts().rows);
}

}  // namespace gpt2run::test
