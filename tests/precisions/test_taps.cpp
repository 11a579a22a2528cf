// What a tap writes: each operation computes with it, rounds it as the contract does, and keeps what it did not change.
#include <cstring>
#include <functional>

#include "backend.hpp"
#ifndef GPT2RUN_TEST_PRECISIONS
#include "../common/two_bf16.hpp"
#endif

namespace gpt2run::test {
namespace {

constexpr const char* kTapped = "synthetic:L=2,C=52,H=2,F=100,V=97,T=40,std=0.2,seed=7";

const Checkpoint& tapped() {
  static const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  static const auto checkpoint = loader->open(kTapped);
  return *checkpoint;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// What the operations have written, by name and layer.
using Written = std::map<std::pair<std::string, int>, std::vector<float>>;

// Keeps what it sees, and may change it: change(op, layer, values, cols) returns true if it did.
struct RecordingTap final : Tap {
  using Change = std::function<bool(const std::string&, int, std::span<float>, int)>;
  bool tensor(const char* op, int layer, float* host, int rows, int cols) override {
    const std::span<float> values(host, size_t(rows) * cols);
    seen[{op, layer}].assign(values.begin(), values.end());
    return change && change(op, layer, values, cols);
  }
  Change change;
  Written seen;
};

class TapTest : public testing::TestWithParam<Backend> {
 protected:
  std::unique_ptr<Session> open(int slots = 1, int threads = 1) {
    return make_precision(GetParam())->open(tapped(), limits_for(tapped(), slots, threads));
  }
  std::vector<int32_t> tokens(int count, uint32_t seed = 1) { return some_tokens(count, tapped().config().V, seed); }
};

// A place in a run that writes one operation's inputs: those of another text.
struct Inputs {
  std::pair<std::string, int> op;                   // what must then be as in the other text
  std::vector<std::pair<std::string, int>> inputs;  // what it is computed from
};

TEST_P(TapTest, WhatATapWritesIsComputedWith) {
  const std::vector<Inputs> places = {{{"norm_qkv", 1}, {{"down_add", 0}}},
                                      {{"attention", 1}, {{"norm_qkv", 1}}},
                                      {{"project_add", 1}, {{"attention", 1}, {"down_add", 0}}},
                                      {{"norm_up_gelu", 1}, {{"project_add", 1}}},
                                      {{"down_add", 1}, {{"norm_up_gelu", 1}, {"project_add", 1}}},
                                      {{"norm_logits", -1}, {{"down_add", 1}}},
                                      {{"norm_qkv", 0}, {{"embed", -1}}}};
  const auto text = tokens(13), other = tokens(13, 5);
  RecordingTap expected, tap;
  const auto session = open();
  session->tap(&expected);
  const auto logits = feed(*session, 0, other);
  session->tap(&tap);
  for (const Inputs& place : places) {
    SCOPED_TRACE(place.op.first);
    tap.change = [&](const std::string& op, int layer, std::span<float> values, int) {
      if (std::ranges::find(place.inputs, std::pair(op, layer)) == place.inputs.end()) return false;
      std::ranges::copy(expected.seen.at({op, layer}), values.begin());
      return true;
    };
    session->start(0, {0, 42, 0, 0, 0, 0});
    const auto changed = feed(*session, 0, text);
    EXPECT_TRUE(same_bits(tap.seen.at(place.op), expected.seen.at(place.op)));
    const bool is_last = place.op.first == "norm_logits", has_other_residual = place.op.first == "attention";
    EXPECT_TRUE(!is_last || same_bits(changed, logits));
    EXPECT_FALSE(has_other_residual && same_bits(changed, logits));
  }
  // The last run has all keys and values of the other text, which a later step reads.
  session->tap(nullptr);
  const auto next = feed(*session, 0, {3});
  session->start(0, {0, 42, 0, 0, 0, 0});
  feed(*session, 0, other);
  EXPECT_TRUE(same_bits(feed(*session, 0, {3}), next));
}

TEST_P(TapTest, LogitsThatATapWritesAreTheSteps) {
  const auto session = open();
  RecordingTap tap;
  tap.change = [](const std::string& op, int, std::span<float> values, int cols) {
    if (op == "norm_logits") values[values.size() - cols + 5] = 1000;
    return op == "norm_logits";
  };
  session->tap(&tap);
  const auto logits = feed(*session, 0, tokens(4));
  EXPECT_EQ(logits[logits.size() - tapped().config().V + 5], 1000);
  EXPECT_EQ(std::ranges::count(logits, 1000.0f), 1);
}

// The largest value of a row, and in q, k and v of each head, sets the scale of a quantised one.
void nudge(std::span<float> values, size_t width) {
  for (size_t at = 0; at < values.size(); at += width) {
    float largest = 0;
    for (const float x : values.subspan(at, width)) largest = std::max(largest, std::abs(x));
    for (float& x : values.subspan(at, width))
      if (std::abs(x) < largest) x *= 1 + 0x1p-20f;
  }
}

#ifndef GPT2RUN_TEST_PRECISIONS
// Values of two BF16 parts may be as near to each other as those of FP32, so any values are written, and then what they
// are rounded to.
class SplitTapTest : public TapTest {};
TEST_P(SplitTapTest, WhatATapWritesIsRounded) {
  const auto text = tokens(11);
  const auto session = open();
  for (const char* which : {"attention", "norm_up_gelu"}) {
    std::vector<float> logits[2];
    for (const bool is_rounded : {false, true}) {
      RecordingTap tap;
      tap.change = [&](const std::string& op, int layer, std::span<float> values, int) {
        if (op != which || layer != 0) return false;
        for (float& x : values) x = is_rounded ? round_to_two_bf16(x * 0.7f) : x * 0.7f;
        return true;
      };
      session->tap(&tap);
      session->start(0, {0, 42, 0, 0, 0, 0});
      logits[is_rounded] = feed(*session, 0, text);
    }
    EXPECT_TRUE(same_bits(logits[0], logits[1])) << which;
  }
}
INSTANTIATE_TEST_SUITE_P(Split, SplitTapTest, testing::ValuesIn(split_backends()), row_name);
#endif

// A change that rounding takes back changes nothing, where the contract rounds what the operation writes.
TEST_P(TapTest, WhatATapWritesIsRounded) {
  const ModelConfig& m = tapped().config();
  const auto option = [&](const char* key) {
    const auto found = GetParam().options.find(key);
    return found == GetParam().options.end() ? std::string() : found->second;
  };
  const Type type = GetParam().type;
  const bool is_16_bit = type == Type::f16 || type == Type::bf16, is_fp32 = type == Type::f32;
  const bool rounds_activations = !is_fp32 && option("activations") != "fp32";
  const auto text = tokens(11);
  const auto session = open();
  const auto expected = feed(*session, 0, text);
  // Where nothing rounds, FP32 shows every change. Other types may round it away later.
  const auto expect_same = [&](const std::string& which, bool same, const auto& change) {
    if (!same && !is_fp32) return;
    RecordingTap tap;
    tap.change = [&](const std::string& op, int layer, std::span<float> values, int cols) {
      if (op != which || layer != 0) return false;
      for (size_t at = 0; at < values.size(); at += cols) change(values.subspan(at, cols));
      return true;
    };
    session->tap(&tap);
    session->start(0, {0, 42, 0, 0, 0, 0});
    EXPECT_EQ(same_bits(feed(*session, 0, text), expected), same) << which;
  };
  const auto whole_row = [](std::span<float> row) { nudge(row, row.size()); };
  expect_same("attention", rounds_activations, whole_row);
  expect_same("norm_up_gelu", rounds_activations, whole_row);
  expect_same("norm_qkv", is_16_bit, [&](std::span<float> row) { nudge(row.first(m.C), m.C / m.H); });
  expect_same("norm_qkv", !is_fp32, [&](std::span<float> row) { nudge(row.subspan(m.C), m.C / m.H); });
  expect_same("project_add", false, whole_row);
}

struct WeightsTap final : Tap {
  bool wants(const char* op) const override {
    return std::string_view(op) == "attention_weights" || std::string_view(op) == "norm_qkv";
  }
  bool tensor(const char* op, int layer, float* host, int rows, int cols) override {
    order.push_back(std::string(op) + " " + std::to_string(layer)), widths.push_back(cols);
    const bool is_weights = std::string_view(op) == "attention_weights";
    if (layer == 1) (is_weights ? weights : qkv).assign(host, host + int64_t{rows} * cols);
    return is_weights && changes;
  }
  bool changes = false;
  std::vector<std::string> order;
  std::vector<int> widths;
  std::vector<float> weights, qkv;
};

// In double, and then rounded to FP32, which changes each by at most 2^-24 of itself, and their sum by as much.
TEST_P(TapTest, AttentionWeightsAreTheSoftmaxOfStoredKeys) {
  const ModelConfig& m = tapped().config();
  const int H = m.H, D = m.C / H, P = 6;
  const auto text = tokens(P), other = tokens(3, 4);
  const auto session = open(2), plain = open(2);
  WeightsTap tap;
  session->tap(&tap);
  std::vector<Row> rows;
  for (const int32_t token : other) rows.push_back({1, token, true});
  for (const int32_t token : text) rows.push_back({0, token, true});
  EXPECT_TRUE(same_bits(copy_logits(*session, session->step(rows)), copy_logits(*plain, plain->step(rows))));
  EXPECT_EQ(tap.order,
            (std::vector<std::string>{"norm_qkv 0", "attention_weights 0", "norm_qkv 1", "attention_weights 1"}));
  EXPECT_EQ(tap.widths, (std::vector<int>{3 * m.C, H * P, 3 * m.C, H * P}));
  for (size_t r = 0; r < rows.size(); ++r) {
    const size_t first = r < other.size() ? 0 : other.size(), length = r - first + 1;
    for (int head = 0; head < H; ++head) {
      const float* own = &tap.weights[(r * H + head) * P];
      std::vector<double> exact;
      double sum = 0, all = 0;
      for (size_t t = 0; t < length; ++t) {
        double score = 0;
        for (int d = 0; d < D; ++d)
          score += double(tap.qkv[r * 3 * m.C + head * D + d]) * tap.qkv[(first + t) * 3 * m.C + m.C + head * D + d];
        sum += exact.emplace_back(std::exp(score / std::sqrt(double(D))));
        all += own[t];
      }
      for (size_t t = 0; t < length; ++t) EXPECT_NEAR(own[t], exact[t] / sum, 0x1p-24 * exact[t] / sum + 1e-13);
      for (int t = static_cast<int>(length); t < P; ++t) EXPECT_EQ(own[t], 0) << "not seen";
      EXPECT_NEAR(all, 1, 0x1p-24 + 1e-13);
    }
  }
  // A decode step has the positions of its own slot.
  const Row next[] = {{1, 5, true}};
  session->step(next);
  EXPECT_EQ(tap.widths.back(), H * 4);
  tap.changes = true;
  EXPECT_THROW(feed(*session, 0, {1}), Error);
}

// The residual after the last layer has the logits of the pass, however many rows are asked for, and inside a step.
TEST_P(TapTest, AReadoutIsNormLogits) {
  const ModelConfig& m = tapped().config();
  const auto text = tokens(9);
  const auto session = open();
  const auto expected = feed(*session, 0, text);
  std::vector<float> logits(9 * m.V);
  RecordingTap tap;
  bool can = true;
  tap.change = [&](const std::string& op, int layer, std::span<float> values, int) {
    if (op == "down_add" && layer == 0) can &= session->readout(values.data(), 9, std::vector<float>(9 * m.V).data());
    if (op == "down_add" && layer == 1) can &= session->readout(values.data(), 9, logits.data());
    return false;
  };
  session->tap(&tap);
  session->start(0, {0, 42, 0, 0, 0, 0});
  EXPECT_TRUE(same_bits(feed(*session, 0, text), expected)) << "a readout changes nothing";
  if (!can) GTEST_SKIP() << "no readout";
  const Traits traits = session->traits();
  if (!traits.prefill) {  // rows that are computed together may have other bits
    EXPECT_LE(rms_error(logits, expected), traits.tolerance * rms(expected));
    return;
  }
  EXPECT_TRUE(same_bits(logits, expected));
  const std::vector<float>& x = tap.seen.at({"down_add", 1});
  constexpr int kTimes = 33;
  std::vector<float> many, all(kTimes * expected.size());
  for (int i = 0; i < kTimes; ++i) many.insert(many.end(), x.begin(), x.end());
  EXPECT_TRUE(session->readout(many.data(), 9 * kTimes, all.data()));
  for (int i = 0; i < kTimes; ++i)
    EXPECT_EQ(std::memcmp(&all[i * logits.size()], expected.data(), logits.size() * 4), 0);
}

// A row that the tap changes has the same effect in any batch, chunk and number of threads, and the others keep theirs.
TEST_P(TapTest, AChangedRowIsTheSameInAnyBatch) {
  const auto text = tokens(9), other = tokens(7, 3);
  const Traits traits = open()->traits();
  if (!traits.batch || !traits.prefill) GTEST_SKIP() << "the precision does not promise it";
  RecordingTap tap;
  std::vector<int> rows;  // to change, of the step that runs
  tap.change = [&](const std::string& op, int layer, std::span<float> values, int cols) {
    if (op != "norm_up_gelu" || layer != 0) return false;
    for (const int row : rows)
      for (float& x : values.subspan(size_t(row) * cols, cols)) x = 0.25f - x;
    return !rows.empty();
  };
  const auto single = open(), plain = open(), both = open(2, 3);
  for (Session* session : {single.get(), both.get()}) session->tap(&tap);
  std::vector<float> expected;
  for (int i = 0; i < std::ssize(text); ++i) {  // one by one
    rows.assign(i == 4 ? 1 : 0, 0);
    const auto row = feed(*single, 0, {text[i]});
    expected.insert(expected.end(), row.begin(), row.end());
  }
  const auto neighbour = feed(*plain, 0, other);
  expected.insert(expected.begin(), neighbour.begin(), neighbour.end());
  std::vector<Row> step;
  for (const int32_t token : other) step.push_back({1, token, true});
  for (const int32_t token : text) step.push_back({0, token, true});
  rows = {static_cast<int>(other.size()) + 4};
  EXPECT_TRUE(same_bits(copy_logits(*both, both->step(step)), expected));
}

INSTANTIATE_TEST_SUITE_P(All, TapTest, testing::ValuesIn(all_backends()), row_name);
#ifndef GPT2RUN_TEST_PRECISIONS
const Backend kReferenceInt8{
    "reference_int8", "reference", {{"w", "int8"}, {"a", "int8"}, {"head", "int8"}, {"kv", "int8"}}, Type::i8};
INSTANTIATE_TEST_SUITE_P(Quantised, TapTest, testing::Values(kReferenceInt8), row_name);
#endif

}  // namespace
}  // namespace gpt2run::test
