// What every session promises whatever it computes: the KV cache, the bitwise traits, slots, taps and scores.
#include <functional>

#include "backend.hpp"

namespace gpt2run::test {
namespace {

constexpr const char* kModel = "synthetic:L=2,C=52,H=2,F=300,V=97,T=400,std=0.2,seed=7";

const Checkpoint& model() {
  static const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  static const auto checkpoint = loader->open(kModel);
  return *checkpoint;
}

// Where the traits promise bits, bits; else logits within the declared tolerance.
void expect_same(bool bitwise, double tolerance, const std::vector<float>& own, const std::vector<float>& expected,
                 const std::string& what) {
  ASSERT_EQ(own.size(), expected.size()) << what;
  for (const float value : own) ASSERT_TRUE(std::isfinite(value)) << what;
  if (bitwise) {
    EXPECT_EQ(std::memcmp(own.data(), expected.data(), own.size() * sizeof(float)), 0) << what;
  } else {
    EXPECT_LE(rms_error(own, expected), 2 * tolerance * rms(expected)) << what;  // both may be off by the tolerance
  }
}

class SessionTest : public testing::TestWithParam<Backend> {
 protected:
  std::unique_ptr<Session> open(int slots = 1, int threads = 1) { return open(limits_for(model(), slots, threads)); }
  std::unique_ptr<Session> open(const Limits& limits) { return make_precision(GetParam())->open(model(), limits); }
  std::vector<int32_t> tokens(int count, uint32_t seed = 1) { return some_tokens(count, model().config().V, seed); }

  // The logits of a text fed in chunks of this size.
  std::vector<float> in_chunks(Session& session, int slot, const std::vector<int32_t>& text, size_t size) {
    std::vector<float> all;
    for (size_t first = 0; first < text.size(); first += size) {
      const size_t end = std::min(first + size, text.size());
      const auto part = feed(session, slot, {text.begin() + first, text.begin() + end});
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }

  int V = model().config().V;
};

// Rows that went through each operation.
struct CountingTap : Tap {
  bool tensor(const char* op, int layer, float*, int count, int cols) override {
    const std::string name = std::string(op) + (layer < 0 ? "" : " " + std::to_string(layer));
    rows[name] += count, names.push_back(name), widths[op] = cols;
    return false;
  }
  std::map<std::string, int> rows, widths;
  std::vector<std::string> names;
};

int32_t greedy(const std::vector<float>& logits, int V) {
  const auto last = logits.end() - V;
  return static_cast<int32_t>(std::max_element(last, logits.end()) - last);
}

TEST_P(SessionTest, CacheMakesEveryPositionGoThroughOnce) {
  const auto session = open();
  CountingTap tap;
  if (!session->tap(&tap)) GTEST_SKIP() << "no taps";
  constexpr int kPrompt = 9, kNew = 6;
  auto text = tokens(kPrompt);
  std::vector<float> logits = feed(*session, 0, text);
  for (int i = 1; i < kNew; ++i) {
    text.push_back(greedy(logits, V));
    logits = feed(*session, 0, {text.back()});
  }
  for (const char* op : {"embed", "norm_qkv 0", "attention 1", "project_add 1", "norm_up_gelu 0", "down_add 1"})
    EXPECT_EQ(tap.rows[op], kPrompt + kNew - 1) << op;
  const auto again = feed(*open(), 0, text);  // all positions at once, without what the cache kept
  const Traits traits = session->traits();
  expect_same(traits.prefill, traits.tolerance, logits, {again.end() - V, again.end()}, "cached and not");
}

TEST_P(SessionTest, PrefillAtOnceInChunksAndOneByOneAreOne) {
  const auto text = tokens(67);
  const auto session = open();
  const Traits traits = session->traits();
  const auto expected = feed(*session, 0, text);
  for (const size_t size : {1, 7, 64}) {
    session->start(0, {0, 42, 0, 0, 0, 0});
    expect_same(traits.prefill, traits.tolerance, in_chunks(*session, 0, text, size), expected,
                "chunks of " + std::to_string(size));
  }
}

// Longer than the rows that the CPU kernels take at a time, with sums shorter and longer than one chain.
TEST_P(SessionTest, ALongPromptIsItsPieces) {
  const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  const auto checkpoint = loader->open("synthetic:L=1,C=48,H=3,F=100,V=130,T=420,seed=5");
  const auto text = some_tokens(420, checkpoint->config().V);
  const auto session = make_precision(GetParam())->open(*checkpoint, limits_for(*checkpoint));
  const auto expected = feed(*session, 0, text);
  session->start(0, {0, 42, 0, 0, 0, 0});
  const Traits traits = session->traits();
  expect_same(traits.prefill, traits.tolerance, in_chunks(*session, 0, text, 97), expected, "in pieces");
}

// With every activation function, and with scores scaled by the layer: a prompt at once, in chunks and token by token,
// then beside another slot. F is no multiple of what a kernel takes at a time.
TEST_P(SessionTest, OtherSettingsKeepThePromises) {
  const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  for (const char* setting : {"activation=gelu_erf", "activation=relu", "activation=silu,scale_by_layer=1",
                              "activation=tanh", "scale_by_layer=1"}) {
    const auto checkpoint =
        loader->open((std::string("synthetic:L=2,C=40,H=2,F=108,V=61,T=40,std=0.3,seed=7,") + setting).c_str());
    const auto text = some_tokens(23, checkpoint->config().V), other = some_tokens(3, checkpoint->config().V, 2);
    const auto session = make_precision(GetParam())->open(*checkpoint, limits_for(*checkpoint, 2));
    const Traits traits = session->traits();
    const auto expected = feed(*session, 0, text);
    for (const size_t size : {1, 10}) {
      session->start(0, {0, 42, 0, 0, 0, 0});
      expect_same(traits.prefill, traits.tolerance, in_chunks(*session, 0, text, size), expected, setting);
    }
    std::vector<Row> rows;
    session->start(0, {0, 42, 0, 0, 0, 0});
    for (const int32_t token : other) rows.push_back({1, token, false});
    for (const int32_t token : text) rows.push_back({0, token, true});
    expect_same(traits.batch, traits.tolerance, copy_logits(*session, session->step(rows)), expected, setting);
  }
}

TEST_P(SessionTest, RunsAndThreadsGiveTheSame) {
  const auto text = tokens(67);
  const auto expected = feed(*open(1, 1), 0, text);
  for (const int threads : {1, 2, 3, 0}) {
    const auto session = open(1, threads);
    const Traits traits = session->traits();
    const auto own = feed(*session, 0, text);
    expect_same(threads == 1 ? traits.run : traits.threads, traits.tolerance, own, expected,
                std::to_string(threads) + " threads");
  }
}

// Short and long prompts at once, then a token of each slot, again and again. Ten slots are more than some kernels take
// at once.
TEST_P(SessionTest, BatchIsItsSingleRuns) {
  constexpr int kSteps = 4;
  for (const int slots : {4, 10}) {
    const auto session = open(slots);
    const Traits traits = session->traits();
    std::vector<std::unique_ptr<Session>> singles;
    std::vector<Row> rows;
    std::vector<float> expected;
    const auto feed_all = [&](const std::function<std::vector<int32_t>(int)>& text) {
      rows.clear(), expected.clear();
      for (int slot = 0; slot < slots; ++slot) {
        for (const int32_t token : text(slot)) rows.push_back({slot, token, true});
        const auto logits = feed(*singles[slot], 0, text(slot));
        expected.insert(expected.end(), logits.begin(), logits.end());
      }
      expect_same(traits.batch, traits.tolerance, copy_logits(*session, session->step(rows)), expected, "batch");
    };
    for (int slot = 0; slot < slots; ++slot) singles.push_back(open());
    feed_all([&](int slot) { return tokens(3 + slot % 4 * 5, slot + 1); });
    for (int i = 0; i < kSteps; ++i) feed_all([&](int slot) { return tokens(1, 100 * i + slot + 1); });
  }
}

// The neighbour's rows stand before or behind this sequence's, and its slot is given to another text every time.
TEST_P(SessionTest, RefillOfANeighbourChangesNothing) {
  const auto alone = open(), shared = open(3);
  const Traits traits = alone->traits();
  const auto prompt = tokens(12), next = tokens(8, 5);
  feed(*alone, 0, prompt);
  feed(*shared, 1, prompt);
  int i = 0;
  for (const int count : {1, 7, 64, 300}) {
    for (const int neighbour : {0, 2}) {
      shared->start(neighbour, {50 + uint64_t(i), 42, 0, 0, neighbour, 0});
      std::vector<Row> rows;
      for (const int32_t token : tokens(count, 30 + i)) rows.push_back({neighbour, token, false});
      rows.insert(neighbour == 0 ? rows.end() : rows.begin(), Row{1, next[i], true});
      const auto own = copy_logits(*shared, shared->step(rows));
      expect_same(traits.batch, traits.tolerance, own, feed(*alone, 0, {next[i]}),
                  std::to_string(count) + " rows in slot " + std::to_string(neighbour));
      ++i;
    }
  }
}

TEST_P(SessionTest, StartCopiesAPrefix) {
  constexpr int kKeep = 11;
  const auto session = open(3);
  const Traits traits = session->traits();
  const auto text = tokens(20), other = tokens(9, 3);
  feed(*session, 0, text), feed(*session, 2, other);
  session->start(2, {77, 42, 0, 0, 0, kKeep});
  std::vector<int32_t> mixed(text.begin(), text.begin() + kKeep);
  mixed.insert(mixed.end(), other.begin(), other.end());
  const auto fresh = feed(*open(), 0, mixed);
  std::vector<Row> rows;
  for (const int32_t token : other) rows.push_back({2, token, true});
  const LogitBatch batch = session->step(rows);
  std::vector<RowKey> keys(batch.rows);
  session->read(batch.keys, keys.data(), keys.size() * sizeof(RowKey));
  for (int i = 0; i < batch.rows; ++i) {
    EXPECT_EQ(keys[i].sequence, 77u);
    EXPECT_EQ(keys[i].position, kKeep + i + 1);
  }
  expect_same(traits.prefill, traits.tolerance, copy_logits(*session, batch), {fresh.begin() + kKeep * V, fresh.end()},
              "copied prefix");
  std::vector<int32_t> table(mixed.size());
  session->read(batch.tokens + 2 * batch.token_stride, table.data(), table.size() * sizeof(int32_t));
  EXPECT_EQ(table, mixed);

  session->start(0, {78, 42, 0, 0, 0, kKeep});  // cut off in its own slot
  expect_same(traits.prefill, traits.tolerance, feed(*session, 0, other), {fresh.begin() + kKeep * V, fresh.end()},
              "truncated");
}

TEST_P(SessionTest, TapsSeeEveryOperationAndChangeNothing) {
  const auto text = tokens(13);
  const auto session = open();
  const auto expected = feed(*session, 0, text);
  CountingTap tap;
  if (!session->tap(&tap)) GTEST_SKIP() << "no taps";
  session->start(0, {0, 42, 0, 0, 0, 0});
  expect_same(true, 0, feed(*session, 0, text), expected, "tapped");
  const std::vector<std::string> layer = {"norm_qkv", "attention", "project_add", "norm_up_gelu", "down_add"};
  std::vector<std::string> names = {"embed"};
  for (int l = 0; l < model().config().L; ++l) {
    for (const auto& name : layer) names.push_back(name + " " + std::to_string(l));
  }
  names.push_back("norm_logits");
  EXPECT_EQ(tap.names, names);
  const ModelConfig& m = model().config();
  const std::map<std::string, int> widths = {{"embed", m.C},       {"norm_qkv", 3 * m.C}, {"attention", m.C},
                                             {"project_add", m.C}, {"norm_up_gelu", m.F}, {"down_add", m.C},
                                             {"norm_logits", m.V}};
  EXPECT_EQ(tap.widths, widths);
  session->tap(nullptr);
  session->start(0, {0, 42, 0, 0, 0, 0});
  expect_same(true, 0, feed(*session, 0, text), expected, "tap off again");
  EXPECT_EQ(tap.names, names);
}

// A tap that wants two operations, and counts how often it is asked.
struct TwoOpsTap : CountingTap {
  bool wants(const char* op) const override {
    ++asked;
    return std::string_view(op) == "attention" || std::string_view(op) == "norm_logits";
  }
  mutable int asked = 0;
};

TEST_P(SessionTest, ATapIsAskedOnceAndSeesOnlyWhatItWants) {
  const auto session = open();
  TwoOpsTap tap;
  if (!session->tap(&tap)) GTEST_SKIP() << "no taps";
  feed(*session, 0, tokens(3));
  feed(*session, 0, tokens(1));
  EXPECT_EQ(tap.asked, 8) << "and for attention_weights";
  std::vector<std::string> names;
  for (int step = 0; step < 2; ++step) {
    for (int l = 0; l < model().config().L; ++l) names.push_back("attention " + std::to_string(l));
    names.push_back("norm_logits");
  }
  EXPECT_EQ(tap.names, names);
}

TEST_P(SessionTest, SampledTokenIsReadFromTheTable) {
  const auto text = tokens(6);
  const auto session = open(2), given = open();
  feed(*given, 0, text);
  std::vector<Row> rows;
  for (const int32_t token : text) rows.push_back({1, token, token == text.back()});
  rows.back().logits = true;
  const LogitBatch batch = session->step(rows);
  const int32_t sampled = 42;
  session->write(&sampled, batch.tokens + batch.token_stride + text.size(), sizeof sampled);
  const Row row{1, kSampled, true};
  expect_same(session->traits().batch, session->traits().tolerance, copy_logits(*session, session->step({&row, 1})),
              feed(*given, 0, {sampled}), "sampled and given");
}

TEST_P(SessionTest, ScoreIsLogSoftmaxOfTheRawLogits) {
  Limits limits = limits_for(model(), 2);
  limits.keep_raw = true;
  const auto session = open(limits);
  const auto text = tokens(9);
  std::vector<Row> rows;
  for (const int32_t token : text) rows.push_back({1, token, true});
  const LogitBatch batch = session->step(rows);
  const auto logits = copy_logits(*session, batch);
  const std::vector<float> spoilt(V, 3.0f);  // a processor changes logits, never raw ones
  session->write(spoilt.data(), batch.logits, V * sizeof(float));
  const int32_t target = 5, none = kNone;
  session->write(&target, batch.tokens + batch.token_stride + text.size(), sizeof target);
  session->score(batch);
  std::vector<float> logprobs(text.size() + 1);
  session->read(batch.logprobs + batch.token_stride, logprobs.data(), logprobs.size() * sizeof(float));
  for (size_t i = 0; i < text.size(); ++i) {
    double sum = 0;
    for (int v = 0; v < V; ++v) sum += std::exp(double(logits[i * V + v]));
    const int32_t id = i + 1 < text.size() ? text[i + 1] : target;
    const double expected = logits[i * V + id] - std::log(sum);
    EXPECT_NEAR(logprobs[i + 1], expected, 1e-5 * (1 + std::abs(expected))) << "position " << i + 1;
  }
  session->write(&none, batch.tokens + batch.token_stride + text.size(), sizeof none);
  session->score(batch);
  session->read(batch.logprobs + batch.token_stride, logprobs.data(), logprobs.size() * sizeof(float));
  EXPECT_TRUE(std::isnan(logprobs.back()));
}

TEST_P(SessionTest, RejectedRowsChangeNothing) {
  Limits limits = limits_for(model(), 2);
  limits.context = 12, limits.rows = 16, limits.logit_rows = 3;
  const auto session = open(limits), fresh = open(limits);
  const Row first[] = {{0, 3, false}, {0, 4, false}};  // no logits: nothing is sampled
  session->step(first), fresh->step(first);
  const auto expect_rejected = [&](std::vector<Row> rows, const char* what) {
    EXPECT_THROW(session->step(rows), Error) << what;
  };
  expect_rejected({}, "no rows");
  expect_rejected(std::vector<Row>(17, {1, 1, false}), "too many rows");
  expect_rejected({{1, 1, true}, {1, 1, true}, {1, 1, true}, {1, 1, true}}, "too many logit rows");
  expect_rejected({{1, 1, false}, {2, 1, false}}, "slot out of range");
  expect_rejected({{1, 1, false}, {-1, 1, false}}, "negative slot");
  expect_rejected(std::vector<Row>(13, {1, 1, false}), "more than the context");
  expect_rejected(std::vector<Row>(11, {0, 1, false}), "more than is left");
  expect_rejected({{0, 1, false}, {1, 1, false}, {0, 1, false}}, "split slot");
  expect_rejected({{1, 1, false}, {1, V, false}}, "token past the vocabulary");
  expect_rejected({{1, -3, false}}, "negative token");
  expect_rejected({{0, kSampled, true}}, "nothing sampled: no logits");
  expect_rejected({{1, kSampled, true}}, "nothing sampled: empty");
  EXPECT_THROW(session->start(2, {0, 42, 0, 0, 0, 0}), Error);
  EXPECT_THROW(session->start(0, {0, 42, 0, 0, -1, 0}), Error);
  EXPECT_THROW(session->start(1, {0, 42, 0, 0, 0, 3}), Error);
  EXPECT_THROW(session->start(1, {0, 42, 0, 0, 0, -1}), Error);

  const std::vector<Row> next = {{0, 9, true}, {1, 2, false}, {1, 8, true}};
  expect_same(true, 0, copy_logits(*session, session->step(next)), copy_logits(*fresh, fresh->step(next)), "next step");
  expect_rejected({{0, kSampled, true}, {0, 1, false}}, "a sampled token is not alone");
  session->start(0, {0, 42, 0, 0, 0, 3});
  expect_rejected({{0, kSampled, true}}, "nothing sampled: just started");
}

TEST_P(SessionTest, ImpossibleLimitsAreRefused) {
  const Limits good = limits_for(model());
  const auto expect_refused = [&](auto change, const char* what) {
    Limits limits = good;
    change(limits);
    EXPECT_THROW(open(limits), Error) << what;
  };
  expect_refused([](Limits& l) { l.slots = 0; }, "no slots");
  expect_refused([](Limits& l) { l.rows = 0; }, "no rows");
  expect_refused([](Limits& l) { l.logit_rows = -1; }, "negative logit rows");
  expect_refused([](Limits& l) { l.context = 0; }, "no context");
  expect_refused([](Limits& l) { l.context = model().config().T + 1; }, "longer than the model's context");
  if (!GetParam().plugin.starts_with("cpu-")) return;  // it has no threads
  expect_refused([](Limits& l) { l.threads = -1; }, "negative threads");
  expect_refused([](Limits& l) { l.threads = 100000; }, "too many threads");
}

TEST_P(SessionTest, TimesAreFilled) {
  const auto session = open();
  StepTimes times{-1, -1, -1, -1, -1};
  session->times(&times);
  feed(*session, 0, tokens(20));
  EXPECT_GT(times.forward, 0);
  EXPECT_GE(times.copy_to_device, 0);
}

#ifndef GPT2RUN_TEST_PRECISIONS
// The option reaches the session: a set of another order of sums gives other bits, and says its order.
TEST(Isa, TheForcedOneComputesTheLogits) {
  const auto text = some_tokens(67, model().config().V);
  std::map<std::string, std::vector<float>> logits;
  for (const Backend& backend : rows_of(cpu_backends(), {Type::bf16})) {
    const std::string order = make_precision(backend)->open(model(), limits_for(model()))->traits().order;
    const auto own = logits_of(backend, model(), text);
    for (const auto& [other, theirs] : logits) EXPECT_EQ(own == theirs, order == other) << backend << " and " << other;
    logits[order] = own;
  }
  EXPECT_GE(logits.size(), 2u);
}
#endif

INSTANTIATE_TEST_SUITE_P(All, SessionTest, testing::ValuesIn(all_backends()), row_name);

}  // namespace
}  // namespace gpt2run::test
