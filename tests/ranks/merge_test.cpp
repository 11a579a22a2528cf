// A run on several ranks tells its sinks what a run on one tells them, and rank 0 keeps little that waits for its turn.
#include <gmock/gmock.h>

#include <bit>
#include <map>
#include <set>

#include "common/ranks/rank_events.hpp"
#include "common/ranks/ranked_run.hpp"
#include "common/ranks/ranked_start.hpp"
#include "ranks/thread_ranks.hpp"
#include "support/argmax.hpp"
#include "support/capture_sink.hpp"
#include "support/letters.hpp"
#include "support/messages.hpp"
#include "support/scripted_ops.hpp"

namespace gpt2run::test {
namespace {

using testing::Each;
using testing::HasSubstr;

// Prompts of lengths and ends that differ: after token t comes t + 1, and 39 is the end of text.
std::vector<Prompt> prompts(int count) {
  std::vector<Prompt> all;
  for (int i = 0; i < count; ++i) {
    Prompt prompt{"prompt " + std::to_string(i), {}};
    for (int k = 0; k <= i % 4; ++k) prompt.tokens.push_back((7 * i + k) % 37);
    all.push_back(prompt);
  }
  return all;
}

// What one rank does. pace: called after every step.
Summary generate_there(Ranks& ranks, Generation generation, std::span<Sink* const> sinks,
                       const std::vector<Prompt>& prompts, const std::function<void()>& pace = {},
                       int64_t most_ahead = kMostAhead) {
  set_rank_and_seed(generation, ranks, false);
  const auto script = counting_script();
  if (pace) script->spoil = [&](HostState<float>&) { pace(); };
  Argmax argmax(false);
  const Chain chain{{&argmax}, Space::host, false};
  const Letters letters;
  const auto run = [&](std::span<Sink* const> into, const std::function<void(int64_t, int64_t)>& progress) {
    const Limits limits = plan_limits(kShape, prompts, generation, into, chain);
    HostSession<ScriptedOps> session(std::make_shared<ScriptedOps>(script), ShapeOnly(kShape), limits, Traits{});
    return generate(session, kShape, chain, into, &letters, prompts, generation, "manifest", progress);
  };
  return generate_on(ranks, run, sinks, &letters, prompts, generation, {}, most_ahead);
}

// NaN is told where nothing is known.
std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> all;
  for (const float value : values) all.push_back(std::bit_cast<uint32_t>(value));
  return all;
}

void expect_same(const CaptureSink& one, const CaptureSink& many, bool in_order) {
  ASSERT_EQ(one.sequences.size(), many.sequences.size());
  for (const auto& [sequence, a] : one.sequences) {
    SCOPED_TRACE(sequence);
    const CaptureSink::Sequence& b = many.sequences.at(sequence);
    EXPECT_TRUE(b.finished);
    EXPECT_EQ(a.prompt, b.prompt);
    EXPECT_EQ(a.prompt_tokens, b.prompt_tokens);
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_EQ(a.steps, b.steps);
    EXPECT_EQ(a.pieces, b.pieces);
    EXPECT_EQ(a.tail, b.tail);
    EXPECT_EQ(a.reason, b.reason);
    EXPECT_EQ(bits(a.logprobs), bits(b.logprobs));
    EXPECT_EQ(bits(a.prompt_logprobs), bits(b.prompt_logprobs));
    EXPECT_EQ(a.logits, b.logits);
  }
  EXPECT_EQ(many.vocabulary, one.vocabulary);
  EXPECT_TRUE(!in_order || one.order == many.order);
}

TEST(RankedRun, SinksAreToldTheSameAsByOneRank) {
  const Generation generation{.n_gen = 12, .samples = 2, .batch = 3, .stops = {"JK"}};
  for (const int count : {1, 2, 7, 9}) {  // fewer prompts than ranks, too
    for (const int size : {2, 3, 4}) {
      SCOPED_TRACE(std::to_string(count) + " prompts, ranks " + std::to_string(size));
      CaptureSink ordered, any(kLogits | kLogprob | kAnyOrder | kPrompt);
      CaptureSink ordered_one, any_one(any.wanted);
      Ranks alone;
      Sink* sinks_one[] = {&ordered_one, &any_one};
      const Summary one = generate_there(alone, generation, sinks_one, prompts(count));
      Summary all;
      const Ended ended = run_ranks(size, [&](Ranks& ranks) {
        CaptureSink unused, unused_any(any.wanted);  // of a rank above 0 they are asked what they want
        Sink* there[] = {ranks.is_root() ? &ordered : &unused, ranks.is_root() ? &any : &unused_any};
        const Summary summary = generate_there(ranks, generation, there, prompts(count));
        if (ranks.is_root()) all = summary;
        EXPECT_TRUE(unused.calls.empty() && unused.order.empty());
      });
      EXPECT_THAT(ended.errors, Each(""));
      EXPECT_EQ(ended.left_over, 0u);
      expect_same(ordered_one, ordered, true);
      expect_same(any_one, any, false);
      EXPECT_EQ(all.sequences, one.sequences);
      EXPECT_EQ(all.new_tokens, one.new_tokens);
      EXPECT_EQ(all.prompt_tokens, one.prompt_tokens);
      EXPECT_THAT(ordered.calls, HasSubstr("\"sequences\": " + std::to_string(2 * count)));
    }
  }
}

TEST(RankedRun, PassesOfAllAreNumberedOnce) {
  CaptureSink times(kTimes | kAnyOrder);
  Summary all;
  const Ended ended = run_ranks(3, [&](Ranks& ranks) {
    CaptureSink unused(times.wanted);
    Sink* there[] = {ranks.is_root() ? &times : &unused};
    const Summary summary = generate_there(ranks, {.max_new = 5}, there, prompts(6));
    if (ranks.is_root()) all = summary;
  });
  EXPECT_THAT(ended.errors, Each(""));
  ASSERT_EQ(std::ssize(times.steps), all.steps);
  int64_t rows = 0;
  for (size_t i = 0; i < times.steps.size(); ++i) {
    EXPECT_EQ(times.steps[i].step, static_cast<int64_t>(i));
    rows += times.steps[i].rows;
  }
  EXPECT_EQ(rows, all.rows);
}

// Counts the tokens that came before their sequence's turn.
struct AheadSink final : Sink {
  uint32_t wants() const override { return kAnyOrder; }
  void token(const TokenEvent& event) override { most = std::max(most, ++ahead[event.sequence] ? waiting() : 0); }
  void finish(uint64_t sequence, std::string_view, std::string_view) override {
    finished.insert(sequence);
    for (; finished.erase(turn); ++turn) ahead.erase(turn);
  }
  int64_t waiting() const {
    int64_t sum = 0;
    for (const auto& [sequence, tokens] : ahead) sum += tokens;
    return sum;
  }
  std::map<uint64_t, int64_t> ahead;
  std::set<uint64_t> finished;
  uint64_t turn = 0;
  int64_t most = 0;
};

TEST(RankedRun, LittleWaitsForItsTurnWhateverRankIsSlow) {
  constexpr int64_t kMost = 40, kNew = 10, kBatch = 2;
  for (const int slow : {0, 1, 2}) {
    SCOPED_TRACE(slow);
    AheadSink sink;
    const Ended ended = run_ranks(3, [&](Ranks& ranks) {
      AheadSink unused;
      Sink* there[] = {ranks.is_root() ? &sink : &unused};
      const auto pace = [&] {
        if (ranks.rank() == slow) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      };
      generate_there(ranks, {.max_new = kNew, .batch = kBatch, .ignore_eos = true}, there, prompts(60), pace, kMost);
    });
    EXPECT_THAT(ended.errors, Each(""));
    EXPECT_EQ(sink.turn, 60u);
    // The limit, one message beyond it, and of every rank what it makes in other slots until its turn is over.
    EXPECT_LE(sink.most, kMost + kBatch + 3 * kBatch * kNew);
  }
}

TEST(RankedRun, AnErrorInTheMiddleLeavesSinksWithoutAnEnd) {
  for (const int bad : {0, 2}) {
    CaptureSink sink;
    const Ended ended = run_ranks(3, [&](Ranks& ranks) {
      CaptureSink unused;
      Sink* there[] = {ranks.is_root() ? &sink : &unused};
      int steps = 0;
      const auto pace = [&] {
        if (ranks.rank() == bad && ++steps == 7) fail("the fan has stopped");
      };
      generate_there(ranks, {.max_new = 5}, there, prompts(12), pace);
    });
    EXPECT_EQ(ended.errors[0], bad == 0 ? "the fan has stopped" : "rank 2 on here: the fan has stopped");
    EXPECT_EQ(ended.errors[1], "rank 0 has ended the run");
    EXPECT_EQ(sink.calls, "begin manifest;");
    EXPECT_FALSE(ended.aborted);
  }
}

TEST(RankedRun, ASinkThatSeesInsideTheModelIsRefused) {
  const CaptureSink inside(kTaps | kAnyOrder), outside(kLogits | kAnyOrder);
  for (const int count : {1, 2}) {
    const Ended ended = run_ranks(count, [&](Ranks& ranks) {
      check_sink(ranks, outside, "outside");
      check_sink(ranks, inside, "inside");
    });
    if (count == 1) {
      EXPECT_THAT(ended.errors, Each(""));
    } else {
      EXPECT_THAT(ended.errors[0], IsMessage("inside", "rank", "2"));
    }
  }
}

TEST(RankedRun, RanksThatWouldNotRunTheSameAreRefused) {
  const Ended ended = run_ranks(3, [&](Ranks& ranks) {
    Manifest manifest;
    manifest.model_hash = "abc", manifest.model = ranks.rank() == 1 ? "/data/gpt2" : "/scratch/gpt2";
    manifest.prompts = {{"a", {1, ranks.rank() == 2 ? 3 : 2}}};
    check_comparable(ranks, manifest, manifest.prompts);
  });
  EXPECT_THAT(ended.errors[0], IsMessage("rank 2", "\"prompts\"", "1"));
}

TEST(RankEvents, WhatIsNoMessageIsRefused) {
  struct Nothing final : EventReceiver {
    void start(uint64_t) override {}
    void token(const TokenEvent&) override {}
    void step(const StepEvent&) override {}
    void finish(uint64_t, std::string_view, std::string_view) override {}
    void summary(const Summary&) override {}
  } nothing;
  EventWriter writer;
  const float logits[] = {1, 2, 3};
  writer.token({4, 0, 5, 6, "text", 0.5f, logits, 3, nullptr});
  writer.finish(4, "tail", "length");
  const std::string bytes = writer.take();
  EXPECT_NO_THROW(read_events(bytes, nothing));
  EXPECT_THROW(read_events("\x7f" + bytes, nothing), Error);
  for (size_t size = 1; size < bytes.size(); ++size) {
    try {
      read_events(std::string_view(bytes).substr(0, size), nothing);
      // A whole event is a message.
      EXPECT_EQ(size, 1 + 8 + 5 * 4 + sizeof(size_t) + 4 + 1 + sizeof logits);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("ends too soon"));
    }
  }
}

}  // namespace
}  // namespace gpt2run::test
