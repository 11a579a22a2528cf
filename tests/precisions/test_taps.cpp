// What a tap writes: each operation computes with it, rounds it as the contract does, and keeps what it did not change.
#include <cstring>
#include <functional>

#include "backend.hpp"
#ifndef GPT2RUN_TEST_PRECISIONS
#include "../common/two_bf16.hpp"
#endif

namespace gpt2run::test {
namespace {

constexpr const char* kModel = "synthetic:L=2,C=52,H=2,F=100,V=97,T=40,std=0.2,seed=7";

const Checkpoint& model() {
  static const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  static const auto checkpoint = loader->open(kModel);
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
    return make_precision(GetParam())->open(model(), limits_for(model(), slots, threads));
  }
  std::vector<int32_t> tokens(int count, uint32_t seed = 1) { return some_tokens(count, model().config().V, seed); }
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
  EXPECT_EQ(logits[logits.size() - model().config().V + 5], 1000);
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
  const ModelConfig& m = model().config();
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
