// Cancelling at every moment, and deadlines: what remains of the request, and that no other request is affected.
#pragma once
#include <thread>

#include "engine/engine_rig.hpp"

namespace gpt2run::test {

// Four requests on two slots. The second, which is the one to cancel, decodes together with the first; the third and
// the fourth take over its slot.
struct CancelRun {
  explicit CancelRun(const EngineBackend& backend, uint32_t wants, bool reuse = false)
      : rig(backend, {.slots = 2, .options = {.chunk = 4, .reuse = reuse, .wants = kLogprob | kLogits | kPrompt}}),
        requests{request_for(some_prompt(3), 30, 0), request_for(some_prompt(12), 14, 1, wants),
                 request_for(some_prompt(12), 9, 2, wants), request_for(some_prompt(7), 12, 3)} {
    for (const TestRequest& spec : requests) ids.push_back(rig.submit(spec));
  }

  RequestId victim() const { return ids[1]; }
  const RequestLog& log(size_t i) const { return rig.listener.of(ids[i]); }

  Rig rig;
  std::vector<TestRequest> requests;
  std::vector<RequestId> ids;
};

// Expects every request to give what it gives alone; the victim, if cancelled, up to some token.
inline void expect_as_alone(const CancelRun& run, const std::vector<RequestLog>& alone, const std::string& when) {
  for (size_t i = 0; i < alone.size(); ++i) {
    if (i == 1 && run.log(i).reason == Reason::cancelled)
      expect_begins(run.log(i), alone[i], when);
    else
      expect_same(run.log(i), alone[i], when + ", request " + std::to_string(i));
  }
}

inline std::vector<RequestLog> alone_each(const EngineBackend& backend, const std::vector<TestRequest>& requests) {
  std::vector<RequestLog> all;
  for (const TestRequest& spec : requests) all.push_back(alone(backend, spec));
  return all;
}

TEST_P(EngineTest, CancelledBetweenAnyTwoSteps) {
  for (const uint32_t wants : {uint32_t{kLogprob}, uint32_t{kLogprob | kPrompt}}) {
    const std::vector<RequestLog> expected = alone_each(GetParam(), CancelRun(GetParam(), wants).requests);
    int cancelled = 0;
    for (int steps = 0;; ++steps) {
      CancelRun run(GetParam(), wants, steps % 2);
      for (int i = 0; i < steps; ++i) run.rig.step();
      if (run.rig.listener.has_finished(run.victim())) break;
      const size_t before = run.log(1).tokens.size(), prompt = run.log(1).prompt.size();
      run.rig.engine().cancel(run.victim());
      run.rig.step();
      const std::string when = "after " + std::to_string(steps) + " steps";
      EXPECT_EQ(run.log(1).reason, Reason::cancelled) << when;
      EXPECT_EQ(run.log(1).tokens.size(), before) << when;
      EXPECT_EQ(run.log(1).prompt.size(), prompt) << when;
      EXPECT_TRUE(run.log(2).has_started) << when << ": its slot is free in the same step";
      run.rig.run();
      expect_as_alone(run, expected, when);
      ++cancelled;
    }
    EXPECT_GE(cancelled, 4) << "while it waits, while its prompt is read, and while it decodes";
  }
}

// Cancels from inside a token callback, the request's own or a neighbour's. From then on only its end may be reported.
TEST_P(EngineTest, CancelledInsideTokenCallbacks) {
  const uint32_t wants = kLogprob | kPrompt;
  const std::vector<RequestLog> expected = alone_each(GetParam(), CancelRun(GetParam(), wants).requests);
  for (const size_t whose : {0, 1}) {
    for (int at = 0; at < 26; ++at) {
      CancelRun run(GetParam(), wants);
      int seen = 0;
      std::optional<size_t> tokens, prompt;
      run.rig.listener.on_token = [&](RequestId id, const TokenEvent&) {
        if (id != run.ids[whose] || seen++ != at || run.rig.listener.has_finished(run.victim())) return;
        run.rig.engine().cancel(run.victim());
        tokens = run.log(1).tokens.size(), prompt = run.log(1).prompt.size();
      };
      run.rig.run();
      const std::string when = "at token " + std::to_string(at) + " of request " + std::to_string(whose);
      EXPECT_TRUE(tokens || whose == 0) << when;
      if (tokens && run.log(1).reason == Reason::cancelled) {
        EXPECT_EQ(run.log(1).tokens.size(), *tokens) << when;
        EXPECT_EQ(run.log(1).prompt.size(), *prompt) << when;
      }
      if (whose == 1) {
        EXPECT_EQ(run.log(1).reason, Reason::cancelled) << when;
      }
      expect_as_alone(run, expected, when);
    }
  }
}

TEST_P(EngineTest, CancelledInsideItsStartCallback) {
  const std::vector<RequestLog> expected = alone_each(GetParam(), CancelRun(GetParam(), kLogprob | kPrompt).requests);
  CancelRun run(GetParam(), kLogprob | kPrompt);
  run.rig.listener.on_start = [&](RequestId id) {
    if (id == run.victim()) run.rig.engine().cancel(id);
  };
  run.rig.step();
  EXPECT_EQ(run.log(1).reason, Reason::cancelled);
  EXPECT_TRUE(run.log(1).prompt.empty());
  EXPECT_TRUE(run.log(2).has_started) << "its slot is free in the same step";
  run.rig.run();
  expect_as_alone(run, expected, "in start()");

  // Cancels the first request from the start callback of the next one, in the same step.
  CancelRun other(GetParam(), kLogprob);
  other.rig.listener.on_start = [&](RequestId id) {
    if (id == other.victim()) other.rig.engine().cancel(other.ids[0]);
  };
  other.rig.step();
  EXPECT_EQ(other.log(0).reason, Reason::cancelled);
  EXPECT_TRUE(other.log(0).tokens.empty());
}

// A cancel inside finish() must not be lost, whichever requests the engine has checked before.
TEST_P(EngineTest, CancelledInsideTheFinishOfAnother) {
  for (const bool first : {true, false}) {
    Rig rig(GetParam(), {.slots = 2});
    const RequestId running[] = {rig.submit(request_for(some_prompt(3), 30, 0)),
                                 rig.submit(request_for(some_prompt(3), 30, 1))};
    const RequestId waiting[] = {rig.submit(request_for(some_prompt(3), 30, 2)),
                                 rig.submit(request_for(some_prompt(3), 30, 3))};
    rig.step(), rig.step();
    rig.listener.on_finish = [&](RequestId) {
      for (const RequestId id : {running[first], waiting[0], waiting[1]}) rig.engine().cancel(id);
    };
    const int64_t rows = rig.engine().counts().rows;
    rig.engine().cancel(running[!first]);
    EXPECT_FALSE(rig.step());
    for (const RequestId id : {running[0], running[1], waiting[0], waiting[1]})
      EXPECT_EQ(rig.listener.of(id).reason, Reason::cancelled) << id;
    EXPECT_EQ(rig.engine().counts().rows, rows) << "all of them are gone before the next forward pass";
  }
}

TEST_P(EngineTest, CancelsOfNobody) {
  Rig rig(GetParam());
  const RequestId first = rig.submit(request_for(some_prompt(3), 4));
  for (RequestId id = first + 1; id < first + 9; ++id) rig.engine().cancel(id);
  rig.engine().cancel(0), rig.engine().cancel(UINT64_MAX);
  const RequestId second = rig.submit(request_for(some_prompt(3), 4));
  rig.run();
  rig.engine().cancel(first), rig.engine().cancel(second);
  const RequestId third = rig.submit(request_for(some_prompt(3), 4));
  rig.run();
  for (const RequestId id : {first, second, third})
    expect_same(rig.listener.of(id), alone(request_for(some_prompt(3), 4)));
}

// Text that may begin a stop text is held back, and is released at the end.
TEST_P(EngineTest, TextThatWasHeldBackIsTheTailOfACancelledRequest) {
  Rig rig(GetParam());
  TestRequest spec = request_for(some_prompt(3), 30);
  const RequestLog whole = alone(spec);
  const std::string third = Pieces().pieces[whole.tokens.at(2)];
  spec.request.stops = {third + "and so on"};
  std::string released, pieces;
  rig.listener.on_token = [&](RequestId id, const TokenEvent& event) {
    released += event.text, pieces += event.vocabulary->piece(event.id);
    if (event.id == whole.tokens[2]) rig.engine().cancel(id);
  };
  const RequestId id = rig.submit(spec);
  rig.run();
  EXPECT_EQ(rig.listener.of(id).reason, Reason::cancelled);
  EXPECT_EQ(rig.listener.of(id).text, pieces);
  EXPECT_EQ(pieces, released + third);
  EXPECT_LE(rig.listener.of(id).tokens.size(), 3u);
}

TEST_P(EngineTest, Deadlines) {
  using std::chrono::steady_clock;
  const std::vector<RequestLog> expected = alone_each(GetParam(), CancelRun(GetParam(), kLogprob).requests);
  CancelRun run(GetParam(), kLogprob);
  TestRequest late = run.requests[1];
  late.request.deadline = steady_clock::now();
  const RequestId over = run.rig.submit(late);
  const Deadline deadline = late.request.deadline = steady_clock::now() + std::chrono::milliseconds(30);
  late.request.priority = 1;
  const RequestId cut = run.rig.submit(late);
  late.request.deadline = steady_clock::now() + std::chrono::hours(1);
  const RequestId easy = run.rig.submit(late);
  bool was_early = false;
  run.rig.listener.on_finish = [&](RequestId id) { was_early |= id == cut && steady_clock::now() < deadline; };
  run.rig.step();
  EXPECT_EQ(run.rig.listener.of(over).reason, Reason::cancelled);
  EXPECT_FALSE(run.rig.listener.of(over).has_started);
  std::this_thread::sleep_until(deadline);
  run.rig.step();
  EXPECT_FALSE(was_early);
  expect_begins(run.rig.listener.of(cut), expected[1], "at its deadline");
  run.rig.run();
  expect_same(run.rig.listener.of(easy), expected[1]);
  expect_as_alone(run, expected, "beside deadlines");
}

}  // namespace gpt2run::test
