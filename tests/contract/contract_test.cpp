// The contract carries what it promises: an outside sampler, a chain with history, a device that only lets itself be
// read through the session, taps, a comparison of two precisions on equal rows, and scoring. All of it through plugins
// compiled on their own.
#include <gtest/gtest.h>

#include <cmath>

#include "gpt2run/engine/generate.hpp"
#include "support/capture_sink.hpp"
#include "support/exact_ops.hpp"
#include "support/fake_device.hpp"
#include "support/plugin.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {
namespace {

template <class Base>
std::unique_ptr<Base> outside(const std::string& file, const OptionValues& values = {}) {
  const Plugin& plugin = load_plugin_file(std::string(BINARY_DIR) + "/tests/contract/" + file);
  const PluginOptions options(plugin, values);
  return std::unique_ptr<Base>(static_cast<Base*>(plugin.create(options, kTestHost)));
}

const std::vector<Prompt> kPrompts = {
    {"", {1, 2, 3}}, {"", {4}}, {"", {5, 6, 7, 8, 9, 10, 11}}, {"", {3, 3}}, {"", {20, 1, 0, 2}}};

struct Pipe {
  std::unique_ptr<Precision> precision;
  std::vector<std::unique_ptr<Sampler>> samplers;
  Space space = Space::host;
  bool changes_logits = false;

  // Also gives the session's counts where it is the fake device.
  CaptureSink run(const Generation& generation, uint32_t wants = 0, Summary* summary = nullptr) {
    const TinyCheckpoint checkpoint;
    CaptureSink capture(wants);
    Sink* sinks[] = {&capture};
    Chain chain{{}, space, changes_logits};
    for (auto& sampler : samplers) chain.samplers.push_back(sampler.get());
    const auto session =
        precision->open(checkpoint, plan_limits(checkpoint.config(), kPrompts, generation, sinks, chain));
    const Summary made = generate(*session, checkpoint.config(), chain, sinks, nullptr, kPrompts, generation, "{}");
    if (summary) *summary = made;
    return capture;
  }
};

Pipe host_chain() {
  Pipe pipe{make_plugin<Precision>(Kind::precision, "reference"), {}, Space::host, true};
  pipe.samplers.push_back(outside<Sampler>("gpt2run-sampler-penalty.so"));
  pipe.samplers.push_back(make_plugin<Sampler>(Kind::sampler, "nucleus", {{"top_k", "0"}, {"top_p", "1"}}));
  return pipe;
}

Pipe device_chain() {
  Pipe pipe{outside<Precision>("gpt2run-precision-fake.test.so"), {}, Space::test, true};
  pipe.samplers.push_back(outside<Sampler>("gpt2run-sampler-penalty.test.so"));
  pipe.samplers.push_back(outside<Sampler>("gpt2run-sampler-nucleus.test.so", {{"top_k", "0"}, {"top_p", "1"}}));
  return pipe;
}

const Generation kRagged{.n_gen = 25, .batch = 3, .chunk = 4, .ignore_eos = true, .seed = 7};

std::vector<float> logits_of_text(Session& session, const std::vector<int32_t>& text) {
  session.start(0, {0, 42, 0, 0, 0, 0});
  std::vector<Row> rows;
  for (const int32_t id : text) rows.push_back({0, id, true});
  const LogitBatch batch = session.step(rows);
  std::vector<float> all(batch.rows * batch.vocab);
  for (int r = 0; r < batch.rows; ++r)
    session.read(batch.raw + r * batch.stride, &all[r * batch.vocab], batch.vocab * sizeof(float));
  return all;
}

constexpr Limits kScoring{
    .slots = 1, .context = 40, .rows = 8, .logit_rows = 8, .threads = 1, .device = 0, .keep_raw = false};
const std::vector<int32_t> kText = {1, 5, 9, 2, 2, 21, 0, 7};

TEST(Contract, AnOutsideSamplerPicksTheSecondBest) {
  Pipe pipe{make_plugin<Precision>(Kind::precision, "reference"), {}, Space::host, false};
  pipe.samplers.push_back(outside<Sampler>("gpt2run-sampler-second-best.so"));
  const CaptureSink made = pipe.run({.max_new = 4, .ignore_eos = true}, kLogits | kAnyOrder);
  ASSERT_EQ(made.sequences.size(), kPrompts.size());
  for (const auto& [sequence, s] : made.sequences) {
    ASSERT_EQ(s.tokens.size(), 4u);
    for (size_t i = 0; i < s.tokens.size(); ++i) {
      const float chosen = s.logits[i][s.tokens[i]];
      EXPECT_EQ(std::count_if(s.logits[i].begin(), s.logits[i].end(), [&](float logit) { return logit > chosen; }), 1);
    }
  }
}

TEST(Contract, AChainSeesItsHistoryAndTheSinkSeesRawLogits) {
  const CaptureSink plain = [] {
    Pipe pipe = host_chain();
    pipe.samplers.erase(pipe.samplers.begin());
    return pipe.run(kRagged, kLogits | kAnyOrder);
  }();
  const CaptureSink penalized = host_chain().run(kRagged, kLogits | kAnyOrder);
  EXPECT_NE(plain.all_tokens(), penalized.all_tokens());
  for (const auto& [sequence, s] : penalized.sequences) EXPECT_EQ(s.logits[0], plain.sequences.at(sequence).logits[0]);
}

TEST(Contract, TheHostCannotTouchTheDevicesMemory) {
  const auto precision = outside<Precision>("gpt2run-precision-fake.test.so");
  const TinyCheckpoint checkpoint;
  const auto session = precision->open(checkpoint, kScoring);
  const LogitBatch layout = session->layout();
  EXPECT_EQ(layout.space, Space::test);
  EXPECT_DEATH({ layout.tokens[0] = 1; }, "");
}

class ReplayTest : public testing::TestWithParam<int> {};

TEST_P(ReplayTest, ADeviceChainGivesTheHostsTokens) {
  Generation generation = kRagged;
  generation.replay = GetParam();
  Summary summary;
  const CaptureSink expected = host_chain().run(kRagged, kLogprob);
  const CaptureSink made = device_chain().run(generation, kLogprob, &summary);
  EXPECT_EQ(made.all_tokens(), expected.all_tokens());
  for (const auto& [sequence, s] : made.sequences) EXPECT_EQ(s.logprobs, expected.sequences.at(sequence).logprobs);
  EXPECT_EQ(summary.replayed > 0, GetParam() > 1);
}

TEST_P(ReplayTest, AHostChainBehindTheDeviceGivesTheHostsTokens) {
  Generation generation = kRagged;
  generation.replay = GetParam();
  Pipe pipe = host_chain();
  pipe.precision = outside<Precision>("gpt2run-precision-fake.test.so");
  Summary summary;
  const CaptureSink expected = host_chain().run(kRagged, kLogprob | kLogits | kTimes | kAnyOrder);
  const CaptureSink made = pipe.run(generation, kLogprob | kLogits | kTimes | kAnyOrder, &summary);
  EXPECT_EQ(made.all_tokens(), expected.all_tokens());
  for (const auto& [sequence, s] : made.sequences) EXPECT_EQ(s.logits, expected.sequences.at(sequence).logits);
  EXPECT_EQ(summary.replayed, 0);
  EXPECT_EQ(std::ssize(made.steps), summary.steps);
}

INSTANTIATE_TEST_SUITE_P(Repeat, ReplayTest, testing::Values(1, 3, 16));

TEST(Contract, SamplersInAnotherDevicesMemoryAreRefused) {
  Pipe pipe = device_chain();
  pipe.precision = make_plugin<Precision>(Kind::precision, "reference");
  EXPECT_THROW(pipe.run(kRagged), Error);
}

struct Recorder final : Tap {
  bool tensor(const char* op, int layer, float* host, int rows, int cols) override {
    calls.push_back(std::string(op) + " " + std::to_string(layer) + " " + std::to_string(rows) + "x" +
                    std::to_string(cols));
    for (int i = 0; i < rows * cols; ++i) finite &= std::isfinite(host[i]);
    return false;
  }
  std::vector<std::string> calls;
  bool finite = true;
};

TEST(Contract, TapsSeeEveryOperationAndChangeNothing) {
  const auto precision = make_plugin<Precision>(Kind::precision, "reference");
  const TinyCheckpoint checkpoint;
  const auto session = precision->open(checkpoint, kScoring);
  const std::vector<float> untapped = logits_of_text(*session, kText);
  Recorder recorder;
  ASSERT_TRUE(session->tap(&recorder));
  EXPECT_EQ(logits_of_text(*session, kText), untapped);
  const std::vector<std::string> expected = {"embed -1 8x12",       "norm_qkv 0 8x36",     "attention 0 8x12",
                                             "project_add 0 8x12",  "norm_up_gelu 0 8x20", "down_add 0 8x12",
                                             "norm_qkv 1 8x36",     "attention 1 8x12",    "project_add 1 8x12",
                                             "norm_up_gelu 1 8x20", "down_add 1 8x12",     "norm_logits -1 8x23"};
  EXPECT_EQ(recorder.calls, expected);
  EXPECT_TRUE(recorder.finite);
  session->tap(nullptr);
  logits_of_text(*session, kText);
  EXPECT_EQ(recorder.calls.size(), expected.size());
}

TEST(Contract, TwoPrecisionsAreComparedOnEqualRows) {
  const TinyCheckpoint checkpoint;
  const auto rms = [&](Precision& a, Precision& b) {
    const auto x = logits_of_text(*a.open(checkpoint, kScoring), kText),
               y = logits_of_text(*b.open(checkpoint, kScoring), kText);
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
    return std::sqrt(sum / x.size());
  };
  const auto exact = make_plugin<Precision>(Kind::precision, "reference");
  const auto coarse = outside<Precision>("gpt2run-precision-coarse.so");
  EXPECT_EQ(rms(*exact, *exact), 0);
  EXPECT_GT(rms(*exact, *coarse), 1e-4);
  EXPECT_LT(rms(*exact, *coarse), 0.5);
}

TEST(Contract, ATextIsScoredWithoutReadingLogits) {
  const TinyCheckpoint checkpoint;
  for (const bool device : {false, true}) {
    const auto precision = device ? outside<Precision>("gpt2run-precision-fake.test.so")
                                  : make_plugin<Precision>(Kind::precision, "reference");
    const auto session = precision->open(checkpoint, kScoring);
    const std::vector<float> logits = logits_of_text(*session, kText);
    session->start(0, {0, 42, 0, 0, 0, 0});
    std::vector<Row> rows;
    for (const int32_t id : kText) rows.push_back({0, id, true});
    LogitBatch batch = session->step(rows);
    batch.rows = static_cast<int32_t>(kText.size()) - 1;  // the last row's target is not known
    session->score(batch);
    std::vector<float> logprobs(kText.size());
    session->read(batch.logprobs, logprobs.data(), logprobs.size() * sizeof(float));
    for (size_t t = 1; t < kText.size(); ++t) {
      const double expected = log_probability(&logits[(t - 1) * batch.vocab], batch.vocab, kText[t]);
      EXPECT_EQ(logprobs[t], static_cast<float>(expected)) << "position " << t;
    }
  }
}

// The fake device itself: it would let nothing pass that a GPU would not.
TEST(FakeDevice, ReplaysWhatTheBodyEnqueuedOnceForEveryKey) {
  const TinyCheckpoint checkpoint;
  FakeSession<ExactOps> session(std::make_shared<ExactOps>(), checkpoint, kScoring);
  const Row first[] = {{0, 1, true}}, sampled[] = {{0, kSampled, true}};
  session.start(0, {0, 42, 0, 0, 0, 0});
  enqueue_on(session.step(first), [](const LogitBatch& batch) { batch.tokens[1] = 4; });
  struct Call {
    FakeSession<ExactOps>& session;
    std::span<const Row> rows;
  } call{session, sampled};
  const auto body = [](void* arg) {
    const Call& call = *static_cast<Call*>(arg);
    enqueue_on(call.session.step(call.rows), [](const LogitBatch& batch) {
      batch.tokens[batch.keys[0].slot * batch.token_stride + batch.keys[0].position] = batch.keys[0].position;
    });
  };
  session.repeat(3, 0, sampled, body, &call);
  session.repeat(2, 0, sampled, body, &call);
  std::vector<int32_t> tokens(7);
  session.read(session.layout().tokens, tokens.data(), tokens.size() * sizeof(int32_t));
  EXPECT_EQ(tokens, (std::vector<int32_t>{1, 4, 2, 3, 4, 5, 6}));
  EXPECT_EQ(session.counts.bodies, 1);
  EXPECT_EQ(session.counts.replays, 5);
  EXPECT_EQ(session.counts.waits, 1);
}

TEST(FakeDevice, RefusesAStepDuringAReplay) {
  const TinyCheckpoint checkpoint;
  FakeSession<ExactOps> session(std::make_shared<ExactOps>(), checkpoint, kScoring);
  const Row first[] = {{0, 1, true}}, sampled[] = {{0, kSampled, true}};
  session.start(0, {0, 42, 0, 0, 0, 0});
  session.step(first);
  struct Call {
    FakeSession<ExactOps>& session;
    std::span<const Row> rows;
  } call{session, sampled};
  session.repeat(
      1, 0, sampled,
      [](void* arg) {
        Call& call = *static_cast<Call*>(arg);
        enqueue_on(call.session.step(call.rows),
                   [&session = call.session, rows = call.rows](const LogitBatch&) { session.step(rows); });
      },
      &call);
  int32_t any;
  EXPECT_THROW(session.read(session.layout().tokens, &any, sizeof any), Error);
}

}  // namespace
}  // namespace gpt2run::test
