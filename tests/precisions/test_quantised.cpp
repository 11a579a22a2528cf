// cpu-int8 and cpu-int4 against their contracts: operation by operation beside `reference` on equal inputs, whole
// networks, and the same bits from every instruction set.
#include <gmock/gmock.h>

#include "gpt2run/sdk/quantise.hpp"
#include "grid.hpp"
#include "int8_ops.hpp"
#include "quantised.hpp"

namespace gpt2run::test {
namespace {

using cpu::Codes;
using grid::GridOps;
using testing::HasSubstr;

constexpr double kEqualShare = 0.99;        // of codes
constexpr double kRounding = 0x1p-21;       // of sums: some roundings to FP32, and the order of sums in FP32
constexpr double kScaleRounding = 0x1p-14;  // two units of a scale's 16 bits

constexpr const char* kModels[] = {"synthetic:L=2,C=52,H=4,F=100,V=301,T=40,std=0.2,seed=3",
                                   "synthetic:L=2,C=96,H=3,F=200,V=130,T=40,std=0.1,outliers=1,seed=4",
                                   "synthetic:L=1,C=104,H=8,F=600,V=101,T=40,std=0.1,seed=5,activation=relu"};

std::unique_ptr<Checkpoint> open_model(const char* model) {
  static const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  return loader->open(model);
}

class Quantised : public testing::TestWithParam<Backend> {};
INSTANTIATE_TEST_SUITE_P(All, Quantised, testing::ValuesIn(quantised_backends()), row_name);

TEST_P(Quantised, NamesItsContractAsTheReferenceDoes) {
  const std::string contract = contract_of(GetParam());
  const PluginOptions options(load_precision("reference"), options_of(contract));
  EXPECT_EQ(GridOps(options, kTestHost).contract(), contract);
}

// A contract's own error is what its reference has against FP32.
TEST_P(Quantised, ErrorIsThatOfTheContract) {
  const auto checkpoint = open_model("synthetic:L=4,C=96,H=4,F=200,V=301,T=64,std=0.1,seed=5");
  const auto tokens = some_tokens(64, checkpoint->config().V);
  const auto exact = logits_of(reference(Type::f32), *checkpoint, tokens);
  const auto rounded = logits_of(reference_of(contract_of(GetParam())), *checkpoint, tokens);
  const auto own = logits_of(GetParam(), *checkpoint, tokens);
  const double of_contract = rms_error(rounded, exact);
  EXPECT_GT(of_contract, 0.0);
  EXPECT_GE(rms_error(own, exact), 0.5 * of_contract);
  EXPECT_LE(rms_error(own, exact), 1.5 * of_contract);
  EXPECT_LE(rms_error(own, rounded), 0.75 * of_contract);
  const double tolerance = make_precision(GetParam())->open(*checkpoint, limits_for(*checkpoint))->traits().tolerance;
  EXPECT_LE(rms_error(own, rounded), tolerance * rms(rounded));
}

// Prompts at once, in pieces and by token, on every set of this machine.
TEST_P(Quantised, EverySetOfInstructionsGivesTheSameBits) {
  for (const char* setting : {"", ",activation=gelu_erf,scale_by_layer=1", ",activation=silu", ",activation=tanh"}) {
    const auto checkpoint =
        open_model((std::string("synthetic:L=2,C=52,H=2,F=300,V=97,T=90,std=0.2,seed=7") + setting).c_str());
    const auto tokens = some_tokens(80, checkpoint->config().V);
    std::vector<float> first;
    for (int i = 0; i < cpu::kInt8Isas; ++i) {
      if (!usable(static_cast<cpu::Int8Isa>(i))) continue;
      Backend backend = GetParam();
      backend.options["isa"] = cpu::kInt8IsaNames[i];
      const auto session = make_precision(backend)->open(*checkpoint, limits_for(*checkpoint, 1, 2));
      EXPECT_TRUE(session->traits().machine);
      std::vector<float> logits;
      for (const size_t end : {30, 31, 38, 80}) {
        const size_t begin = logits.size() / checkpoint->config().V;
        const auto part = feed(*session, 0, {tokens.begin() + begin, tokens.begin() + end});
        logits.insert(logits.end(), part.begin(), part.end());
      }
      for (const float logit : logits) ASSERT_TRUE(std::isfinite(logit));
      if (first.empty()) first = logits;
      ASSERT_EQ(std::memcmp(logits.data(), first.data(), logits.size() * sizeof(float)), 0) << cpu::kInt8IsaNames[i];
    }
  }
}

// What an operation's outputs were, all calls together.
struct Deviation {
  int64_t codes = 0, equal = 0, outside = 0, outputs = 0;
  std::string first;  // that was outside
};

// One operation at a time of both on the reference's inputs.
template <class Storage>
class Lockstep {
 public:
  using Ops = cpu::QuantisedOps<Storage>;

  Lockstep(cpu::Int8Isa isa, Codes codes, const Checkpoint& checkpoint, const Limits& limits)
      : own_(isa, limits.threads, {codes, Type::i8, Type::i8}),
        expected_(PluginOptions(load_precision("reference"), options_of(own_.contract())), kTestHost),
        weights_(expected_.load(checkpoint)),
        own_weights_(own_.load(checkpoint)),
        state_(checkpoint.config(), limits),
        own_state_(own_.make_state(checkpoint.config(), limits)) {}

  void run(const HostStep& step) {
    const std::vector<float> none;
    visit(Op::embed, -1, step, none, [&](auto& ops, auto& w, auto& s) { ops.embed(w.embedding, s, step); });
    for (int l = 0; l < weights_.config.L; ++l) {
      const auto& own = weights_.layers[l];
      visit(Op::norm_qkv, l, step, own.qkv_b,
            [&](auto& ops, auto& w, auto& s) { ops.norm_qkv(w.layers[l], s, step, l); });
      visit(Op::attention, l, step, none, [&](auto& ops, auto&, auto& s) { ops.attention(s, step, l); });
      visit(Op::project_add, l, step, own.proj_b,
            [&](auto& ops, auto& w, auto& s) { ops.project_add(w.layers[l], s, step); });
      visit(Op::norm_up_gelu, l, step, own.up_b,
            [&](auto& ops, auto& w, auto& s) { ops.norm_up_gelu(w.layers[l], s, step); });
      visit(Op::down_add, l, step, own.down_b,
            [&](auto& ops, auto& w, auto& s) { ops.down_add(w.layers[l], s, step); });
    }
    visit(Op::norm_logits, -1, step, none, [&](auto& ops, auto& w, auto& s) { ops.norm_logits(w.head, s, step); });
  }

  const std::map<Op, Deviation>& deviations() const { return deviations_; }

 private:
  template <class Run>
  void visit(Op op, int layer, const HostStep& step, const std::vector<float>& bias, Run run) {
    copy_state();
    const std::vector<float> before = state_.x;
    run(own_, own_weights_, own_state_);
    run(expected_, weights_, state_);
    std::vector<float> scratch, own_scratch;
    const Matrix expected = state_.written(op, layer, step, scratch);
    const Matrix own = own_state_.written(op, layer, step, own_scratch);
    ASSERT_EQ(own.rows, expected.rows);
    ASSERT_EQ(own.cols, expected.cols);
    const int C = weights_.config.C, D = C / weights_.config.H, cols = own.cols;
    double most_bias = 0;
    for (const double b : bias) most_bias = std::max(most_bias, std::abs(b));
    Deviation& deviation = deviations_[op];
    for (int r = 0; r < own.rows; ++r) {
      const std::span<const float> a(own.data + int64_t(r) * cols, cols), b(expected.data + int64_t(r) * cols, cols);
      if (op == Op::attention || op == Op::norm_up_gelu) {
        judge_codes(a, b, deviation);
        continue;
      }
      const int plain = op == Op::norm_qkv ? C : cols;
      const bool adds = op == Op::project_add || op == Op::down_add;
      for (int c = 0; c < plain; ++c) judge(a[c], b[c], adds ? before[size_t(r) * C + c] : 0, most_bias, deviation);
      for (int c = plain; c < cols; c += D) judge_cached(a.subspan(c, D), b.subspan(c, D), deviation);
    }
  }

  // A sum, then a bias and what was there before.
  static void judge(double own, double expected, double before, double bias, Deviation& deviation) {
    const double size = std::abs(expected) + std::abs(before) + std::abs(expected - before) + bias;
    note(std::abs(own - expected) <= kRounding * size, own, expected, deviation);
  }

  static void note(bool inside, double own, double expected, Deviation& deviation) {
    ++deviation.outputs;
    if (inside || own == expected) return;  // infinity of FP16 is the same on both sides
    if (deviation.outside++ == 0) deviation.first = std::to_string(own) + " for " + std::to_string(expected);
  }

  // Rows of int8: quantising them again gives their codes.
  static void judge_codes(std::span<const float> own, std::span<const float> expected, Deviation& deviation) {
    std::vector<int8_t> codes(own.size()), expected_codes(own.size());
    const float scale = quantise_int8(own, codes.data());
    const float expected_scale = quantise_int8(expected, expected_codes.data());
    note(std::abs(double(scale) - expected_scale) <= kScaleRounding * expected_scale, scale, expected_scale, deviation);
    for (size_t i = 0; i < own.size(); ++i) {
      ++deviation.codes;
      deviation.equal += codes[i] == expected_codes[i];
      note(std::abs(codes[i] - expected_codes[i]) <= 1, codes[i], expected_codes[i], deviation);
    }
  }

  // A key or value of one head.
  static void judge_cached(std::span<const float> own, std::span<const float> expected, Deviation& deviation) {
    if constexpr (std::is_same_v<Storage, int8_t>) {
      judge_codes(own, expected, deviation);
    } else {
      for (size_t i = 0; i < own.size(); ++i) {
        ++deviation.codes;
        deviation.equal += own[i] == expected[i];
        const double unit = std::ldexp(1.0, std::max(std::ilogb(std::max(std::abs(expected[i]), 0x1p-14f)), -14) - 10);
        note(std::abs(double(own[i]) - expected[i]) <= unit, own[i], expected[i], deviation);
      }
    }
  }

  // Everything that an operation may read.
  void copy_state() {
    own_state_.x = state_.x, own_state_.q = state_.q, own_state_.a = state_.a, own_state_.h = state_.h;
    const ModelConfig& m = state_.config;
    const int D = m.C / m.H;
    for (int i = 0; i < m.L * state_.slots * m.H * state_.context; ++i) {
      const int layer = i / state_.context / m.H / state_.slots, slot = i / state_.context / m.H % state_.slots;
      const int head = i / state_.context % m.H, t = i % state_.context;
      const size_t at = state_.cache(layer, slot, head, t);
      const std::span<const float> key(&state_.keys[at], D), value(&state_.values[at], D);
      Storage* own = &own_state_.values[own_state_.cache(layer, slot, head, t)];
      std::vector<Storage> codes(D);
      if constexpr (std::is_same_v<Storage, int8_t>) {
        const size_t scale = own_state_.scale(layer, slot, head, t);
        own_state_.value_scales[scale] = quantise_int8(value, own);
        own_state_.key_scales[scale] = quantise_int8(key, codes.data());
      } else {
        for (int d = 0; d < D; ++d) own[d] = from_f32<f16>(value[d]), codes[d] = from_f32<f16>(key[d]);
      }
      for (int d = 0; d < D; ++d) own_state_.keys[own_state_.key(layer, slot, head, t, d)] = codes[d];
    }
  }

  Ops own_;
  GridOps expected_;
  ReferenceWeights weights_;
  cpu::QuantisedWeights own_weights_;
  HostState<float> state_;
  typename Ops::State own_state_;
  std::map<Op, Deviation> deviations_;
};

template <class Storage>
void expect_kept(cpu::Int8Isa isa, Codes codes) {
  for (const char* model : kModels) {
    SCOPED_TRACE(std::string(model) + (sizeof(Storage) == 1 ? ", kv=int8" : ""));
    const auto checkpoint = open_model(model);
    Lockstep<Storage> lockstep(isa, codes, *checkpoint, limits_for(*checkpoint, 2, 2));
    const auto tokens = some_tokens(64, checkpoint->config().V);
    std::vector<HostRow> rows;
    for (int i = 0; i < 21; ++i) rows.push_back({0, i, tokens[i]});
    for (int i = 0; i < 5; ++i) rows.push_back({1, i, tokens[30 + i]});
    const std::vector<int32_t> logit_rows = {0, 20, 25};
    lockstep.run({rows, logit_rows});
    rows = {{0, 21, tokens[40]}};
    lockstep.run({rows, {logit_rows.data(), 1}});
    for (const auto& [op, deviation] : lockstep.deviations()) {
      EXPECT_GT(deviation.outputs, 0) << name_of(op);
      EXPECT_EQ(deviation.outside, 0) << name_of(op) << ", the first " << deviation.first;
      EXPECT_GE(deviation.equal, kEqualShare * deviation.codes) << name_of(op);
    }
  }
}

class QuantisedContract : public testing::TestWithParam<cpu::Int8Isa> {};

std::vector<cpu::Int8Isa> sets() {
  std::vector<cpu::Int8Isa> all;
  for (int i = 0; i < cpu::kInt8Isas; ++i)
    if (usable(static_cast<cpu::Int8Isa>(i))) all.push_back(static_cast<cpu::Int8Isa>(i));
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, QuantisedContract, testing::ValuesIn(sets()),
                         [](const auto& set) { return std::string(cpu::kInt8IsaNames[static_cast<int>(set.param)]); });

TEST_P(QuantisedContract, EveryOperationOfInt8KeepsIt) {
  expect_kept<f16>(GetParam(), Codes::int8);
  expect_kept<int8_t>(GetParam(), Codes::int8);
}

TEST_P(QuantisedContract, EveryOperationOfInt4KeepsIt) {
  expect_kept<f16>(GetParam(), Codes::int4);
  expect_kept<int8_t>(GetParam(), Codes::int4);
}

TEST(QuantisedSets, AreThoseThatWereAskedFor) {
  for (const char* precision : {"cpu-int8", "cpu-int4"}) {
    for (const cpu::Int8Isa isa : sets()) {
      const std::string name = cpu::kInt8IsaNames[static_cast<int>(isa)];
      EXPECT_EQ(cpu::kernels_of(isa).isa, isa);
      PluginLog::instance().take();
      make_plugin<Precision>(Kind::precision, precision, {{"isa", name}});
      EXPECT_EQ(PluginLog::instance().take(), std::vector<std::string>{"0 cpu kernels: " + name});
    }
    make_plugin<Precision>(Kind::precision, precision);
    const std::string last = cpu::kInt8IsaNames[static_cast<int>(sets().back())];
    EXPECT_EQ(PluginLog::instance().take(), std::vector<std::string>{"0 cpu kernels: " + last});
  }
}

// Infinity in one position's embedding: that row has no scale, so its outputs are NaN, and so are those of the rows
// that see its key. Rows before it and other slots stay as they are.
TEST(QuantisedActivations, ARowWithInfinityIsNaNAlone) {
  for (const OptionValues& options : {OptionValues{}, OptionValues{{"kv", "int8"}}}) {
    for (const char* precision : {"cpu-int8", "cpu-int4"}) {
      TinyCheckpoint model(odd_shape());
      const int V = odd_shape().V;
      std::vector<std::vector<float>> logits;
      for (const bool broken : {false, true}) {
        if (broken) model.values(Weight::wpe, 0)[3 * odd_shape().C + 5] = INFINITY;
        const auto maker = make_plugin<Precision>(Kind::precision, precision, options);
        const auto session = maker->open(model, limits_for(model, 2));
        std::vector<Row> rows;
        for (int i = 0; i < 3; ++i) rows.push_back({1, 7 + i, true});
        for (int i = 0; i < 5; ++i) rows.push_back({0, 11 + i, true});
        logits.push_back(copy_logits(*session, session->step(rows)));
      }
      for (int i = 0; i < 8 * V; ++i) {
        if (i / V >= 6)
          ASSERT_TRUE(std::isnan(logits[1][i])) << i / V;
        else
          ASSERT_EQ(logits[1][i], logits[0][i]) << i / V;
      }
    }
  }
}

}  // namespace
}  // namespace gpt2run::test
