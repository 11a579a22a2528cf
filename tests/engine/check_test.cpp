// A request that can never run is refused with the field, its value and the limit. One that may run later gets
// QueueFull.
#include "engine/backends.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"

namespace gpt2run::test {
namespace {

EngineBackend exact() { return host_backend<ExactOps>("exact", true); }

std::string refusal_of(Rig& rig, const TestRequest& spec) {
  return error_of([&] { rig.engine().check(rig.request_of(spec)); });
}

TEST(EngineCheck, NamesTheFieldBothNumbersAndTheLimit) {
  Rig rig(exact());
  EXPECT_THAT(refusal_of(rig, request_for({}, 1)), IsMessage("tokens"));
  EXPECT_THAT(refusal_of(rig, request_for(some_prompt(41), 1)), IsMessage("41", "40"));
  EXPECT_THAT(refusal_of(rig, request_for({1, 23}, 1)), IsMessage("23"));
  EXPECT_THAT(refusal_of(rig, request_for({-1}, 1)), IsMessage("-1", "23"));
  EXPECT_THAT(refusal_of(rig, request_for({1}, -3)), IsMessage("max_new:", "0", "-3"));
  EXPECT_THAT(refusal_of(rig, request_for({1}, 1, 0, kLogits | kTimes)), IsMessage("wants:", "19", "6"));
  TestRequest spec = request_for({1}, 2);
  spec.request.end_logits = true;
  EXPECT_THAT(refusal_of(rig, spec), IsMessage("end_logits:", "0", "2"));
  spec = request_for({1}, 2);
  spec.request.stops = {"a", ""};
  EXPECT_THAT(refusal_of(rig, spec), IsMessage("stops:", "empty"));
  spec = request_for({1}, 2);
  spec.options = {{}};
  Request request = rig.request_of(spec);
  request.options.resize(3);
  EXPECT_THAT(error_of([&] { rig.engine().check(request); }), IsMessage("options:", "1", "3"));
  EXPECT_EQ(refusal_of(rig, request_for(some_prompt(40), 1)), "no error");
  EXPECT_EQ(rig.engine().counts().requests, 0);
}

TEST(EngineCheck, ASmallerContextAndChunk) {
  Rig rig(exact(), {.context = 8});
  EXPECT_THAT(refusal_of(rig, request_for(some_prompt(9), 1)), IsMessage("9", "8"));
  EXPECT_EQ(refusal_of(rig, request_for(some_prompt(9), 0)), "no error") << "nobody reads its last token";
  TestRequest end = request_for(some_prompt(9), 0);
  end.request.end_logits = true;
  EXPECT_THAT(refusal_of(rig, end), IsMessage("9", "8"));
  RigOptions setup;
  setup.options.chunk = 0;
  Rig single(exact(), setup);
  EXPECT_THAT(refusal_of(single, request_for(some_prompt(2), 1)), IsMessage("2"));
  EXPECT_EQ(refusal_of(single, request_for(some_prompt(1), 1)), "no error");
}

TEST(EngineCheck, Chains) {
  Rig rig(exact());
  const auto with = [&](const Chain& chain, uint32_t wants = 0) {
    Request request = request_for({1}, 1, 0, wants).request;
    request.chain = std::make_shared<const Chain>(chain);
    return request;
  };
  Argmax argmax(false);
  for (const Request& request : {with({{&argmax}, Space::cuda})}) {
    EXPECT_THAT(error_of([&] { rig.engine().check(request); }), IsMessage("cuda", "host"));
    EXPECT_THAT(error_of([&] { rig.engine().submit(request); }), IsMessage("cuda", "host"));
  }
  EXPECT_THAT(error_of([&] { rig.engine().submit(with({})); }), IsMessage("empty"));
  EXPECT_EQ(rig.engine().waiting(), 0u);
  const RequestId id = rig.submit(request_for(some_prompt(3), 4));
  rig.run();
  EXPECT_EQ(rig.listener.of(id).tokens.size(), 4u) << "a refused chain leaves no trace";

  Limits limits = limits_of({});
  limits.keep_raw = false;
  const auto session = exact().open(engine_model(), limits);
  RecordingListener listener;
  Engine engine(*session, engine_model().config(), limits, RigOptions().options, rig.chain(kDraw), nullptr, listener);
  EXPECT_THAT(error_of([&] {
                engine.check(with({{&argmax}, Space::host, true}, kLogprob));
              }),
              IsMessage("Limits::keep_raw"));
  EXPECT_EQ(error_of([&] { engine.check(with({{&argmax}, Space::host, true})); }), "no error");
  Request stops = request_for({1}, 1, 0, 0).request;
  stops.stops = {"a"};
  EXPECT_THAT(error_of([&] { engine.check(stops); }), IsMessage("stops:", "tokenizer"));
}

TEST(EngineCheck, LimitsThatDoNotFit) {
  const auto make = [](const RigOptions& setup, const auto& change) {
    Limits limits = limits_of(setup);
    change(limits);
    const auto session = exact().open(engine_model(), limits);
    RecordingListener listener;
    return error_of([&] {
      Engine(*session, engine_model().config(), limits, setup.options, named_chain(exact(), kDraw), nullptr, listener);
    });
  };
  EXPECT_THAT(make({}, [](Limits& limits) { limits.rows = 5; }), IsMessage("limits:", "6", "4", "2", "5", "chunk"));
  EXPECT_EQ(make({}, [](Limits& limits) { limits.rows = 6; }), "no error");
  EXPECT_THAT(make({}, [](Limits& limits) { limits.logit_rows = 6; }), IsMessage("limits:", "7", "6"));
  RigOptions recompute;
  recompute.options.recompute = true;
  EXPECT_THAT(make(recompute, [](Limits& limits) { limits.rows = 3; }), IsMessage("limits:", "4", "0", "3", "chunk"));
  const EngineOptions options;
  EXPECT_THAT(error_of([&] { engine_limits(options, 0, 1, false); }), IsMessage("0", "1", "512", "chunk"));
  const EngineBackend fake = fake_backend("fake", Space::test, 1);
  const auto session = fake.open(engine_model(), limits_of({}));
  Argmax argmax(false);
  const auto chain = std::make_shared<const Chain>(Chain{{&argmax}, Space::cuda});
  RecordingListener listener;
  EXPECT_THAT(error_of([&] {
                Engine(*session, engine_model().config(), limits_of({}), RigOptions().options, chain, nullptr,
                       listener);
              }),
              IsMessage("cuda", "test"));
}

// A chain behind a device is prepared for all rows of logits that the session may have, however late the chain arrives.
TEST(EngineCheck, ALateChainIsPreparedForAllRows) {
  struct Recorder final : Sampler {
    void prepare(const LogitBatch& layout) override { rows = layout.rows, slots = layout.slots; }
    void sample(const LogitBatch& batch) override {
      most = std::max(most, batch.rows);
      for (int32_t row = 0; row < batch.rows; ++row) choice_of(batch, row) = 3;
    }
    int32_t rows = 0, slots = 0, most = 0;
  };
  for (const Space samplers : {Space::host, Space::test}) {
    const EngineBackend backend = fake_backend("fake", samplers, 1);
    Rig rig(backend);
    TestRequest first = request_for(some_prompt(3), 9);
    first.chain = kHostChain;
    rig.submit(first);
    rig.step(), rig.step();
    Recorder recorder;
    const auto chain = std::make_shared<const Chain>(Chain{{&recorder}, Space::host});
    for (int i = 0; i < 3; ++i) {
      Request request = request_for(some_prompt(2), 9, i).request;
      request.chain = chain;
      rig.submit(request);
    }
    rig.run();
    EXPECT_EQ(recorder.rows, limits_of({}).logit_rows);
    EXPECT_EQ(recorder.slots, 3);
    EXPECT_GE(recorder.most, 2);
  }
}

class QueueTest : public testing::Test {
 protected:
  static std::string submit(Rig& rig, int tokens) {
    try {
      rig.submit(request_for(some_prompt(tokens), 2));
    } catch (const QueueFull& error) {
      return error.what();
    } catch (const Error& error) {
      return std::string("never: ") + error.what();
    }
    return "no error";
  }
};

TEST_F(QueueTest, RequestsThatWaitAreCounted) {
  RigOptions setup{.slots = 1};
  setup.options.most_waiting = 2;
  Rig rig(exact(), setup);
  EXPECT_EQ(submit(rig, 3), "no error");
  EXPECT_EQ(submit(rig, 3), "no error");
  EXPECT_THAT(submit(rig, 3), IsMessage("2"));
  rig.step();
  EXPECT_EQ(rig.engine().running(), 1u);
  EXPECT_EQ(submit(rig, 3), "no error");
  EXPECT_THAT(submit(rig, 3), IsMessage("2"));
  rig.engine().cancel(3);
  rig.step();
  EXPECT_EQ(submit(rig, 3), "no error");
  rig.run();
  EXPECT_EQ(rig.engine().counts().requests, 4);
}

TEST_F(QueueTest, TokensThatWaitAreCounted) {
  RigOptions setup{.slots = 1};
  setup.options.most_waiting_tokens = 10;
  Rig rig(exact(), setup);
  EXPECT_THAT(submit(rig, 11), IsMessage("never", "11", "10"));
  EXPECT_EQ(submit(rig, 6), "no error");
  EXPECT_THAT(submit(rig, 5), IsMessage("6", "10", "5"));
  EXPECT_EQ(submit(rig, 4), "no error");
  EXPECT_THAT(submit(rig, 1), IsMessage("10", "1"));
  rig.step();
  EXPECT_EQ(submit(rig, 6), "no error");
  rig.engine().cancel(2), rig.engine().cancel(3);
  rig.step();
  EXPECT_EQ(submit(rig, 10), "no error");
  rig.engine().reset();
  EXPECT_EQ(submit(rig, 10), "no error");
  rig.run();
}

}  // namespace
}  // namespace gpt2run::test
