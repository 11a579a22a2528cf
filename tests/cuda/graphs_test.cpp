// Recorded decode steps. A graph belongs to one key, is recorded at its second use, can be replayed for any slots, uses
// the options of the slots' current requests, and is released when there are too many graphs.
#include <gtest/gtest.h>

#include "cuda/bodies.hpp"
#include "executor/executor.hpp"
#include "loop.hpp"
#include "support/error_of.hpp"

namespace gpt2run::test {
namespace {

template <class Value>
class Graphs : public testing::Test {
 protected:
  std::unique_ptr<Session> open(const Limits& limits) { return open_session<Value>(checkpoint, limits); }
  TinyCheckpoint checkpoint;
};
using Types = testing::Types<float, f16, bf16>;
TYPED_TEST_SUITE(Graphs, Types);

const std::vector<Prompt> kPrompts = {{"", {1, 2, 3, 4}}, {"", {9}}, {"", {4, 4, 8}}};
const Generation kGeneration = {.max_new = 12, .batch = 3, .replay = 4, .ignore_eos = true};  // three uses of a key

std::vector<std::vector<int32_t>> generated(Session& session, const ModelConfig& config, const Chain& chain) {
  CaptureSink capture(kLogprob);
  Sink* sinks[] = {&capture};
  generate(session, config, chain, sinks, nullptr, kPrompts, kGeneration, "");
  return capture.all_tokens();
}

Limits limits_of_runs(const ModelConfig& config) {
  CaptureSink capture(kLogprob);
  Sink* sinks[] = {&capture};
  Chain chain;
  chain.changes_logits = true;
  return plan_limits(config, kPrompts, kGeneration, sinks, chain);
}

// The first run's samplers and their device memory are gone by the time the second run begins.
TYPED_TEST(Graphs, ASecondRunOnASessionReplaysItsOwnChain) {
  const ModelConfig& config = this->checkpoint.config();
  const auto session = this->open(limits_of_runs(config)), fresh = this->open(limits_of_runs(config));
  std::vector<std::vector<int32_t>> first;
  {
    const OwnedChain cold(Space::test, {{"nucleus", {{"temp", "0.3"}, {"top_k", "2"}}}});
    first = generated(*session, config, cold.chain);
  }
  const OwnedChain hot(Space::test, {{"repetition-penalty", {{"penalty", "1.9"}}}, {"nucleus", kHot}});
  const executor::Counts before = executor::counts();
  const auto second = generated(*session, config, hot.chain);
  EXPECT_GT(executor::counts().replays, before.replays);
  EXPECT_EQ(second, generated(*fresh, config, hot.chain));
  EXPECT_NE(second, first);
}

// There are more runs than a session keeps graphs, and each run has its own chain.
TEST(Graphs, ManyRunsOnASessionKeepFewGraphs) {
  const TinyCheckpoint checkpoint;
  constexpr int kRuns = 40, kKept = 32;
  const executor::Counts before = executor::counts();
  const auto session = open_session<float>(checkpoint, limits_of_runs(checkpoint.config()));
  std::vector<std::vector<int32_t>> expected;
  for (int run = 0; run < kRuns; ++run) {
    const OwnedChain argmax(Space::test, {{"argmax", {}}});
    const auto found = generated(*session, checkpoint.config(), argmax.chain);
    if (run == 0) expected = found;
    ASSERT_EQ(found, expected) << run;
  }
  const executor::Counts after = executor::counts();
  EXPECT_GE(after.captures - before.captures, kRuns);
  EXPECT_LE(after.captures - before.captures - (after.released - before.released), kKept);
}

// Runs one slot from its beginning under a key: a prompt of two tokens and three decode steps, in two uses of the key.
// Returns all tokens.
struct OneSlot {
  static constexpr int kSteps = 3, kTokens = 2 + 1 + kSteps;
  Session& session;
  Sampler& sampler;

  static Limits limits() {
    return {.slots = 1, .context = 8, .rows = 2, .logit_rows = 1, .threads = 0, .device = 0, .keep_raw = false};
  }

  template <class Repeat>
  std::vector<int32_t> run(uint64_t key, Repeat repeat) const {
    const Row prompt[] = {{0, 3, false}, {0, 4, true}}, sampled[] = {{0, kSampled, true}};
    session.start(0, {7, 42, 2, 0, 0, 0});
    sampler.sample(session.step(prompt));
    for (const int n : {1, kSteps - 1})
      repeat(n, key, std::span<const Row>(sampled), [&] { sampler.sample(session.step(sampled)); });
    std::vector<int32_t> tokens(kTokens);
    session.read(session.layout().tokens, tokens.data(), tokens.size() * sizeof(int32_t));
    return tokens;
  }
};

// Most keys of a run with many requests that begin and end are used once or twice, and recording costs several steps.
TYPED_TEST(Graphs, AKeyIsRecordedAtItsSecondUse) {
  const auto session =
      this->open({.slots = 1, .context = 20, .rows = 2, .logit_rows = 1, .threads = 0, .device = 0, .keep_raw = false});
  const auto argmax = make_sampler("argmax", Space::test);
  argmax->prepare(session->layout());
  const Row prompt[] = {{0, 3, true}}, sampled[] = {{0, kSampled, true}};
  argmax->sample(session->step(prompt));
  const executor::Counts before = executor::counts();
  const auto use = [&](uint64_t key, int n) {
    recorded (*session)(n, key, std::span<const Row>(sampled), [&] { argmax->sample(session->step(sampled)); });
    cuda::wait(session->layout().stream);
    const executor::Counts now = executor::counts();
    return std::pair(now.captures - before.captures, now.replays - before.replays);
  };
  using Seen = std::pair<int64_t, int64_t>;
  EXPECT_EQ(use(1, 5), Seen(0, 0));
  EXPECT_EQ(use(2, 1), Seen(0, 0));
  EXPECT_EQ(use(1, 1), Seen(1, 1));
  EXPECT_EQ(use(1, 3), Seen(1, 4));
  EXPECT_EQ(use(2, 2), Seen(2, 6));
}

TYPED_TEST(Graphs, TheOldestGoWhenThereAreTooMany) {
  constexpr int kKeys = 50, kKept = 32;
  const auto loop = this->open(OneSlot::limits());
  auto graphs = this->open(OneSlot::limits());
  const auto nucleus = make_sampler("nucleus", Space::test, kHot);
  nucleus->prepare(loop->layout());
  const std::vector<int32_t> expected = OneSlot{*loop, *nucleus}.run(0, looped());
  for (const int32_t token : expected) EXPECT_GE(token, 0);
  nucleus->prepare(graphs->layout());
  const OneSlot one{*graphs, *nucleus};
  const executor::Counts before = executor::counts();
  const auto captures = [&] { return executor::counts().captures - before.captures; };
  const auto released = [&] { return executor::counts().released - before.released; };
  for (int key = 0; key < kKeys; ++key) ASSERT_EQ(one.run(key, recorded(*graphs)), expected) << key;
  EXPECT_EQ(captures(), kKeys);
  EXPECT_EQ(released(), kKeys - kKept);
  EXPECT_EQ(one.run(kKeys - kKept, recorded(*graphs)), expected);
  EXPECT_EQ(captures(), kKeys) << "the oldest that is left is replayed, and is the youngest from here on";
  EXPECT_EQ(one.run(0, recorded(*graphs)), expected);
  EXPECT_EQ(captures(), kKeys + 1) << "one that went is recorded anew";
  EXPECT_EQ(one.run(kKeys - kKept, recorded(*graphs)), expected);
  EXPECT_EQ(captures(), kKeys + 1);
  EXPECT_EQ(one.run(kKeys - kKept + 1, recorded(*graphs)), expected);
  EXPECT_EQ(captures(), kKeys + 2) << "another one had to go for it";
  graphs.reset();
  EXPECT_EQ(released(), captures()) << "the session takes the others with it";
}

// Four slots with texts of different lengths, two of which decode at a time, all under one key.
template <class Repeat>
LoopState run_pairs(Session& session, Sampler& nucleus, Repeat repeat) {
  nucleus.prepare(session.layout());
  for (int slot = 0; slot < 4; ++slot)
    session.start(slot, {uint64_t(10 + slot), uint64_t(40 + slot), 1 + slot, 0, slot, 0});
  std::vector<Row> rows;
  for (int slot = 0; slot < 4; ++slot)
    for (int i = 0; i <= slot; ++i) rows.push_back({slot, 5 * slot + i, i == slot});
  const auto choose = [&](const LogitBatch& batch) { nucleus.sample(batch), session.score(batch); };
  choose(session.step(rows));
  constexpr int kPairs[][3] = {{0, 1, 4}, {1, 3, 5}, {3, 0, 1}, {2, 3, 6}, {0, 2, 3}};
  for (const auto& [first, second, times] : kPairs) {
    const Row pair[] = {{first, kSampled, true}, {second, kSampled, true}};
    repeat(times, 3, std::span<const Row>(pair), [&] { choose(session.step(pair)); });
  }
  const LogitBatch layout = session.layout();
  LoopState out;
  out.tokens.resize(4 * layout.token_stride), out.logprobs.resize(out.tokens.size());
  session.read(layout.tokens, out.tokens.data(), out.tokens.size() * sizeof(int32_t));
  session.read(layout.logprobs, out.logprobs.data(), out.logprobs.size() * sizeof(float));
  return out;
}

TYPED_TEST(Graphs, OneServesOtherSlotsThanItWasRecordedFor) {
  const Limits limits = {
      .slots = 4, .context = 30, .rows = 10, .logit_rows = 4, .threads = 0, .device = 0, .keep_raw = false};
  const auto loop = this->open(limits), graphs = this->open(limits);
  const auto nucleus = make_sampler("nucleus", Space::test, kHot);
  const LoopState expected = run_pairs(*loop, *nucleus, looped());
  const executor::Counts before = executor::counts();
  EXPECT_EQ(run_pairs(*graphs, *nucleus, recorded(*graphs)), expected);
  EXPECT_EQ(executor::counts().captures - before.captures, 1);
  EXPECT_EQ(executor::counts().replays - before.replays, 5 + 1 + 6 + 3) << "the first use runs its bodies";
  for (int position = 1; position < 1 + 1 + 4 + 1 + 3; ++position) EXPECT_GE(expected.tokens[position], 0) << position;
}

// Two slots that decode together under one key, the second with its own options.
std::vector<int32_t> run_configured(Session& session, Sampler& nucleus, const Options* options) {
  for (int slot = 0; slot < 2; ++slot) {
    session.start(slot, {uint64_t(3 + slot), 42, 1, 0, slot, 0});
    nucleus.configure(slot, slot == 1 ? options : nullptr);
  }
  const Row prompt[] = {{0, 3, true}, {1, 5, true}}, both[] = {{0, kSampled, true}, {1, kSampled, true}};
  nucleus.sample(session.step(prompt));
  for (const int n : {2, 10})
    recorded(session)(n, 1, std::span<const Row>(both), [&] { nucleus.sample(session.step(both)); });
  std::vector<int32_t> tokens(2 * session.layout().token_stride);
  session.read(session.layout().tokens, tokens.data(), tokens.size() * sizeof(int32_t));
  return tokens;
}

TYPED_TEST(Graphs, AReplaySeesOptionsThatCameAfterItWasRecorded) {
  const OptionValues cold = {{"temp", "0.5"}, {"top_k", "3"}};
  const PluginOptions hot(sampler_plugin("nucleus", Space::test), kHot);
  const Limits limits = {
      .slots = 2, .context = 14, .rows = 2, .logit_rows = 2, .threads = 0, .device = 0, .keep_raw = false};
  const auto session = this->open(limits), other = this->open(limits);
  const auto nucleus = make_sampler("nucleus", Space::test, cold),
             created_hot = make_sampler("nucleus", Space::test, kHot);
  nucleus->prepare(session->layout()), created_hot->prepare(other->layout());
  const std::vector<int32_t> all_cold = run_configured(*session, *nucleus, nullptr);
  const std::vector<int32_t> all_hot = run_configured(*other, *created_hot, nullptr);
  const int64_t captures = executor::counts().captures;
  const std::vector<int32_t> mixed = run_configured(*session, *nucleus, &hot);
  const auto half = static_cast<std::ptrdiff_t>(mixed.size() / 2);
  EXPECT_TRUE(std::equal(mixed.begin(), mixed.begin() + half, all_cold.begin())) << "the neighbour has its own";
  EXPECT_TRUE(std::equal(mixed.begin() + half, mixed.end(), all_hot.begin() + half));
  EXPECT_NE(mixed, all_cold);
  EXPECT_EQ(run_configured(*session, *nucleus, nullptr), all_cold) << "null takes them back";
  EXPECT_EQ(executor::counts().captures, captures);
}

// What a body must not do, both when it runs and when it is recorded, and what repeat() must not be given. Afterwards
// the session and its slot continue as if nothing had been tried.
TYPED_TEST(Graphs, AWrongBodyThrowsAndLeavesNoGraph) {
  const auto session = this->open(limits_of_bodies());
  const auto argmax = make_sampler("argmax", Space::test);
  argmax->prepare(session->layout());
  const Row prompt[] = {{0, 3, true}, {1, 6, true}}, one[] = {{0, kSampled, true}},
            both[] = {one[0], {1, kSampled, true}};
  argmax->sample(session->step(prompt));
  int steps = 1;
  const auto body = [&] {
    for (int i = 0; i < steps; ++i) argmax->sample(session->step(one));
  };
  const auto refusal_of = [&](int n, uint64_t key, std::span<const Row> rows) {
    return error_of([&] { recorded (*session)(n, key, rows, body); });
  };
  steps = 2;
  EXPECT_EQ(refusal_of(3, 1, one), "repeat: a body takes one step, this one takes another");
  steps = 0;
  EXPECT_EQ(refusal_of(3, 1, one), "repeat: a body takes one step, this one takes none");
  steps = 1;
  EXPECT_EQ(refusal_of(1, 1, one), "no error") << "which records nothing yet";
  const int64_t captures = executor::counts().captures;
  steps = 2;
  EXPECT_EQ(refusal_of(1, 1, one), "repeat: a body takes one step, this one takes another") << "while it is recorded";
  EXPECT_EQ(executor::counts().captures, captures);
  steps = 1;
  EXPECT_EQ(refusal_of(2, 1, one), "no error");
  EXPECT_EQ(refusal_of(2, 1, both), "repeat: key 1 stands for bodies of 1 rows, found 2");
  const Row silent[] = {{0, kSampled, false}};
  EXPECT_EQ(refusal_of(2, 1, silent), "repeat: every row of a body asks for logits");
  // Of the body with two steps, the first one was taken: 1 + 1 + 1 + 2 tokens follow the first one after the prompt.
  const Row next[] = {{0, 1, true}};
  session->step(next);
  RowKey key;
  session->read(session->layout().keys, &key, sizeof key);
  EXPECT_EQ(key.position, 1 + 1 + 1 + 2 + 1);
}

}  // namespace
}  // namespace gpt2run::test
