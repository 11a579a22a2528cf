// Orders of sums on the CPU: the instruction sets that share an order give the same bits, kernel by kernel and as whole
// networks, whatever floating-point mode the calling thread is in.
#include <bit>
#include <map>
#include <random>

#include "../common/two_bf16.hpp"
#include "activations.hpp"
#include "backend.hpp"
#include "support/sanitizers.hpp"
#include "tile_emulator.hpp"
#include "vector.hpp"

namespace gpt2run::test {
namespace {

using cpu::portable::fma;
using cpu::portable::fma16;
using cpu::portable::splat;

bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

// Numbers with few digits, which meet in the middle between two neighbours more often than others.
float with_few_digits(std::mt19937& random, int digits, int exponent, int range) {
  const auto kept = static_cast<int>(random() >> (32 - digits)) | 1 << (digits - 1);
  const int scale = exponent + static_cast<int>(random() % range) - digits;
  return std::ldexp(static_cast<float>(random() % 2 ? kept : -kept), scale);
}

// a b is as near to the middle between two FP32 numbers as its digits allow, and c is too small for double.
TEST(MultiplyAdd, OfThePortableKernelsIsRoundedOnce) {
  struct {
    float a, b, c;
  } const hard[] = {{0x1.000002p0f, 0x1.000002p0f, 0x1p-100f},
                    {0x1.800000p0f, 0x1.000001p0f, 0x1p-60f},
                    {0x1.800002p0f, 0x1.000002p0f, -0x1p-70f},
                    {0x1.fffffep0f, 0x1.000002p-1f, 0x1p-90f},
                    {0x1.000002p-75f, 0x1p-75f, 0x1p-149f},
                    {0x1.8p-75f, 0x1.000002p-75f, 0x1p-126f},
                    {0x1p-75f, 0x1p-75f, 0x1p-149f},
                    {0x1.fffffep127f, 2, -0x1p103f},
                    {INFINITY, 0, 1},
                    {INFINITY, 2, -INFINITY},
                    {-0.0f, 1, -0.0f},
                    {1, 1, -1}};
  for (const auto& [a, b, c] : hard)
    EXPECT_PRED2(same, fma(splat(a), splat(b), splat(c))[0], std::fma(a, b, c)) << a << " " << b << " " << c;
  std::mt19937 random(1);
  int64_t wrong = 0;
  for (int i = 0; i < 3'000'000; ++i) {
    const int digits = 2 + static_cast<int>(random() % 23), low = i % 3 ? -40 : -80;
    const float a = with_few_digits(random, digits, low, 10), b = with_few_digits(random, 26 - digits, low, 10);
    const float c = with_few_digits(random, 1 + static_cast<int>(random() % 24), 2 * low - 70, 140);
    wrong += !same(fma(splat(a), splat(b), splat(c))[1], std::fma(a, b, c));
    const float any_a = std::bit_cast<float>(uint32_t(random())), any_b = std::bit_cast<float>(uint32_t(random()));
    const float any_c = std::bit_cast<float>(uint32_t(random()));
    wrong += !same(fma(splat(any_a), splat(any_b), splat(any_c))[2], std::fma(any_a, any_b, any_c));
  }
  EXPECT_EQ(wrong, 0);
}

TEST(MultiplyAdd, OfTwo16BitValuesIsRoundedOnceInDouble) {
  std::mt19937 random(2);
  int64_t wrong = 0;
  for (int i = 0; i < 3'000'000; ++i) {
    const uint32_t bits = random();
    const auto low = static_cast<uint16_t>(bits), high = static_cast<uint16_t>(bits >> 16);
    const float a = i % 2 ? f32_from_f16(low) : f32_from_bf16(low),
                b = i % 2 ? f32_from_f16(high) : f32_from_bf16(high);
    float c = std::bit_cast<float>(uint32_t(random()));
    if (i % 4 && std::isfinite(a * b) && a * b != 0)  // of a size that meets the product's digits
      c = with_few_digits(random, 1 + static_cast<int>(random() % 24), std::ilogb(a * b) - 30, 60);
    wrong += !same(fma16(splat(a), splat(b), splat(c))[3], std::fma(a, b, c));
  }
  EXPECT_EQ(wrong, 0);
}

// Kinds of values to compute with: about 1; over 40 binades; subnormal and near it; and some that are no number.
enum class Regime { normal, wide, subnormal, special };

float random_value(std::mt19937& random, Regime regime, Type type) {
  const float digits = 1 + static_cast<float>(random() >> 9) * 0x1p-23f, sign = random() % 2 ? 1.0f : -1.0f;
  int exponent = -static_cast<int>(random() % 3);
  const int least = type == Type::f16 ? -24 : -149;
  if (regime == Regime::wide) exponent = 10 - static_cast<int>(random() % 40);
  if (regime == Regime::subnormal) exponent = random() % 4 ? least + static_cast<int>(random() % 26) : -2;
  if (regime == Regime::special && random() % 200 == 0) return random() % 3 ? sign * INFINITY : NAN;
  return round_to(type, sign * std::ldexp(digits, exponent));
}

constexpr Regime kRegimes[] = {Regime::normal, Regime::wide, Regime::subnormal, Regime::special};

std::vector<float> random_values(std::mt19937& random, size_t count, Regime regime, Type type) {
  std::vector<float> values(count);
  for (float& value : values) value = random_value(random, regime, type);
  return values;
}

// What a product of the type and the layout reads.
template <class Value, class Layout>
constexpr bool kTwoParts = std::is_same_v<Value, float>&& std::is_same_v<Layout, cpu::TileLayout>;

template <class Value, class Layout>
std::vector<Value> packed(std::mt19937& random, int outputs, int K, Regime regime) {
  std::vector<Value> w(Layout::elements(outputs, K));
  for (int o = 0; o < outputs; ++o) {
    for (int k = 0; k < K; ++k) {
      const float value = random_value(random, regime, cpu::kType<Value>);
      w[Layout::at(o, k, K)] = from_f32<Value>(kTwoParts<Value, Layout> ? round_to_two_bf16(value) : value);
    }
  }
  return w;
}

// What every kernel gives for these seeded inputs, one after another.
template <class Value, class Packing>
std::vector<float> outputs_of(const cpu::Kernels<Value>& kernels, Regime regime, Packing) {
  constexpr Type type = cpu::kType<Value>;
  std::mt19937 random(7);
  std::vector<float> all;
  const auto keep = [&](const std::vector<float>& values) { all.insert(all.end(), values.begin(), values.end()); };
  struct Shape {
    int rows, K, outputs;
  };
  std::vector<Shape> shapes = {{1, 1, 1}, {1, 64, 64}, {2, 65, 130}, {7, 100, 67}, {61, 300, 100}};
  if (!kUnderAsan) shapes.push_back({300, 401, 64});  // half a minute there
  for (const auto& [rows, K, outputs] : shapes) {
    auto x = random_values(random, size_t(rows) * K, regime, type);
    if (kTwoParts<Value, typename Packing::Weights>)
      for (float& value : x) value = round_to_two_bf16(value);
    const auto w = packed<Value, typename Packing::Weights>(random, outputs, K, regime);
    std::vector<float> y(size_t(rows) * outputs), workspace(Packing::workspace(rows, K));
    kernels.linear(x.data(), rows, K, w.data(), K, outputs, y.data(), outputs, workspace.data());
    keep(y);
  }
  for (const int D : {1, 26, 64}) {
    constexpr int kRows = 5, kLength = 40, kPositions = kLength + kRows - 1;
    const auto q = random_values(random, size_t(kRows) * D, regime, type);
    const auto keys = packed<Value, typename Packing::Keys>(random, kPositions, D, regime);
    std::vector<Value> values(size_t(kPositions) * D);
    for (Value& value : values) value = from_f32<Value>(random_value(random, regime, type));
    const int64_t stride = cpu::padded(kPositions, cpu::kPanel);
    std::vector<float> scores(kRows * stride), out(size_t(kRows) * D), workspace(Packing::workspace(kRows, D));
    kernels.attention(q.data(), kRows, D, keys.data(), values.data(), D, 0.125f, kLength, scores.data(), stride,
                      out.data(), workspace.data());
    keep(out);
  }
  for (const int n : {1, 16, 45}) {
    const auto y = random_values(random, n, regime, Type::f32), bias = random_values(random, n, regime, type);
    std::vector<float> out(n), sum = random_values(random, n, regime, Type::f32);
    std::vector<Value> stored(n);
    kernels.norm(y.data(), bias.data(), bias.data(), n, 1e-5f, out.data()), keep(out);
    kernels.round(y.data(), bias.data(), n, out.data()), keep(out);
    kernels.accumulate(y.data(), bias.data(), n, sum.data()), keep(sum);
    kernels.store(y.data(), bias.data(), n, stored.data());
    for (int i = 0; i < n; ++i) out[i] = to_f32(stored[i]);
    keep(out);
  }
  return all;
}

// The sets that run here, serve the type, and keep the order.
std::vector<cpu::Isa> isas_of(cpu::Order order, Type type) {
  std::vector<cpu::Isa> isas;
  for (int i = 0; i < cpu::kIsas; ++i) {
    const cpu::Isa isa = static_cast<cpu::Isa>(i);
    if (usable(isa) && cpu::serves(isa, type) && cpu::order_of(isa, type) == order) isas.push_back(isa);
  }
  return isas;
}

// The sets of an order and a type against the first of them, which is its plain twin. Tiles may be emulated.
template <class Value>
void expect_equal_kernels(cpu::Order order) {
  auto isas = isas_of(order, cpu::kType<Value>);
  ASSERT_FALSE(isas.empty());
  if (cpu::reads_tiles(isas[0]) && isas.back() != cpu::Isa::amx && can_call_tiles()) isas.push_back(cpu::Isa::amx);
  for (const Regime regime : kRegimes) {
    std::vector<std::vector<float>> all;
    for (const cpu::Isa isa : isas)
      with_packing<Value>(
          isa, [&](auto packing) { all.push_back(outputs_of(cpu::kernels_of<Value>(isa), regime, packing)); });
    for (size_t n = 1; n < isas.size(); ++n) {
      ASSERT_EQ(all[n].size(), all[0].size());
      int64_t wrong = 0;
      for (size_t i = 0; i < all[0].size(); ++i) wrong += !same(all[n][i], all[0][i]);
      EXPECT_EQ(wrong, 0) << name_of(isas[n], cpu::kType<Value>) << ", " << name_of(cpu::kType<Value>) << ", regime "
                          << int(regime);
    }
  }
}

TEST(SetsOfOneOrder, EveryKernelGivesTheSameBits) {
  expect_equal_kernels<float>(cpu::Order::ascending);
  expect_equal_kernels<f16>(cpu::Order::ascending);
  expect_equal_kernels<bf16>(cpu::Order::ascending);
  expect_equal_kernels<bf16>(cpu::Order::amx);
  expect_equal_kernels<f16>(cpu::Order::amx4);
  expect_equal_kernels<float>(cpu::Order::amx_split);
}

const char* const kModels[] = {"synthetic:L=2,C=52,H=2,F=300,V=97,T=80,std=0.2,seed=7",
                               "synthetic:L=2,C=40,H=2,F=108,V=61,T=80,std=0.3,seed=7,activation=gelu_erf",
                               "synthetic:L=1,C=96,H=3,F=200,V=301,T=80,std=0.1,outliers=1,seed=4,scale_by_layer=1"};

std::vector<float> model_logits(const char* model, const std::string& isa, Type type) {
  const auto checkpoint = make_plugin<Loader>(Kind::loader, "synthetic")->open(model);
  return logits_of({isa, std::string("cpu-") + name_of(type), {{"isa", isa}}, type}, *checkpoint,
                   some_tokens(67, checkpoint->config().V));
}

void expect_equal_logits(cpu::Order order, Type type) {
  const auto isas = isas_of(order, type);
  for (const char* model : kModels) {
    const auto expected = model_logits(model, name_of(isas.at(0), type), type);
    for (const float logit : expected) ASSERT_TRUE(std::isfinite(logit));
    for (const cpu::Isa isa : isas) {
      const auto own = model_logits(model, name_of(isa, type), type);
      ASSERT_EQ(own.size(), expected.size());
      EXPECT_EQ(std::memcmp(own.data(), expected.data(), own.size() * sizeof(float)), 0)
          << name_of(isa, type) << " " << name_of(type) << " " << model;
    }
  }
}

TEST(SetsOfOneOrder, LogitsAreTheSame) {
  for (const Type type : {Type::f32, Type::f16, Type::bf16}) expect_equal_logits(cpu::Order::ascending, type);
  expect_equal_logits(cpu::Order::amx, Type::bf16);
  expect_equal_logits(cpu::Order::amx4, Type::f16);
  expect_equal_logits(cpu::Order::amx_split, Type::f32);
}

#if defined(__SSE2__)
// The weights of another checkpoint in FP64, where none of them is a number of FP32.
class Doubles final : public Checkpoint {
 public:
  explicit Doubles(const Checkpoint& from) : from_(from) {
    for (int w = 0; w < kWeights; ++w) {
      const auto weight = static_cast<Weight>(w);
      for (int layer = 0; layer < (is_per_layer(weight) ? config().L : 1); ++layer) {
        const Tensor t = from.tensor(weight, layer);
        std::vector<double>& own = values_[{weight, layer}];
        for (int64_t i = 0; i < t.rows * t.cols; ++i)
          own.push_back(at(t, i / t.cols, i % t.cols) * (1 + 0x1p-25 + 0x1p-26) + 0x1p-140);
      }
    }
  }
  const ModelConfig& config() const override { return from_.config(); }
  const char* tokenizer() const override { return nullptr; }
  Tensor tensor(Weight weight, int layer) const override {
    if (weight == Weight::head_w && config().tied_head) weight = Weight::wte;
    const Shape shape = shape_of(weight, config());
    return {values_.at({weight, layer}).data(), Type::f64, shape.rows, shape.cols, shape.cols, 1};
  }

 private:
  const Checkpoint& from_;
  std::map<std::pair<Weight, int>, std::vector<double>> values_;
};

// Flushing of subnormals, and rounding down: what a program may have left on its thread.
class CallersMode : public testing::TestWithParam<Backend> {};

void expect_same_bits_in_all_modes(const Backend& backend, const Checkpoint& checkpoint) {
  constexpr uint32_t kModes[] = {0x9fc0, 0x3f80, 0xffc0};
  const auto tokens = some_tokens(20, checkpoint.config().V);
  const uint32_t before = __builtin_ia32_stmxcsr();
  for (const int threads : {1, 2}) {
    const auto run = [&] {
      const auto session = make_precision(backend)->open(checkpoint, limits_for(checkpoint, 1, threads));
      auto logits = feed(*session, 0, tokens);
      const auto last = feed(*session, 0, {tokens[0]});
      logits.insert(logits.end(), last.begin(), last.end());
      return logits;
    };
    const auto expected = run();
    for (const uint32_t mode : kModes) {
      __builtin_ia32_ldmxcsr(mode);
      const auto own = run();
      const uint32_t after = __builtin_ia32_stmxcsr();
      __builtin_ia32_ldmxcsr(before);
      EXPECT_EQ(after & ~0x3fu, mode & ~0x3fu);
      EXPECT_EQ(std::memcmp(own.data(), expected.data(), own.size() * sizeof(float)), 0) << std::hex << mode;
    }
  }
}

TEST_P(CallersMode, ChangesNoBitAndIsKept) {
  const auto checkpoint = make_plugin<Loader>(Kind::loader, "synthetic")->open(kModels[0]);
  expect_same_bits_in_all_modes(GetParam(), *checkpoint);
  expect_same_bits_in_all_modes(GetParam(), Doubles(*checkpoint));
}
INSTANTIATE_TEST_SUITE_P(All, CallersMode, testing::ValuesIn(cpu_backends()), row_name);
INSTANTIATE_TEST_SUITE_P(Quantised, CallersMode, testing::ValuesIn(quantised_backends()), row_name);
INSTANTIATE_TEST_SUITE_P(Split, CallersMode, testing::ValuesIn(split_backends()), row_name);
#endif

// A query that is no value of FP16 meets a key of FP16. Their product ends half-way between two FP32 numbers, and what
// is added to it is too small for double. The scale makes of the last bit of the score an eighth.
TEST(SetsOfOneOrder, QueriesOfAnyValueAreMultipliedWithOneRounding) {
  using Layout = cpu::VectorLayout<f16>;
  constexpr int D = 3, kLength = 2;
  const float q[D] = {-0x1p-60f, 0x1.000002p0f, 1}, keys[kLength][D] = {{0x1p-24f, 1.5f, 0}, {0, 0, 1.5f}};
  std::vector<f16> packed_keys(Layout::elements(kLength, D), f16{}), values(kLength * D, f16{});
  for (int t = 0; t < kLength; ++t) {
    for (int d = 0; d < D; ++d) packed_keys[Layout::at(t, d, D)] = from_f32<f16>(keys[t][d]);
  }
  values[0] = from_f32<f16>(1);
  for (const cpu::Isa isa : isas_of(cpu::Order::ascending, Type::f16)) {
    std::vector<float> scores(64), workspace(cpu::product_workspace(1, D)), out(D);
    cpu::kernels_of<f16>(isa).attention_unrounded(q, 1, D, packed_keys.data(), values.data(), D, 0x1p20f, kLength,
                                                  scores.data(), 64, out.data(), workspace.data());
    EXPECT_NEAR(out[0], 1 / (1 + std::exp(-0.125)), 1e-6) << cpu::kIsaNames[int(isa)];
  }
}

// A product of one row and one output.
float sum_by(cpu::Isa isa, const std::vector<float>& x, const std::vector<float>& weights) {
  using Layout = cpu::TilePacking<bf16>::Weights;
  const int K = static_cast<int>(x.size());
  std::vector<bf16> w(Layout::elements(1, K), bf16{});
  for (int k = 0; k < K; ++k) w[Layout::at(0, k, K)] = from_f32<bf16>(weights[k]);
  std::vector<float> workspace(cpu::TilePacking<bf16>::workspace(1, K));
  float y = NAN;
  cpu::kernels_of<bf16>(isa).linear(x.data(), 1, K, w.data(), K, 1, &y, 1, workspace.data());
  return y;
}

class AmxOrder : public testing::TestWithParam<Backend> {
 protected:
  cpu::Isa isa() const { return cpu::choose_isa(GetParam().options.at("isa"), Type::bf16); }
};

// Two blocks leave a sum of -0, since -2^-128 is too small. The products of the last block are too small as well, so
// that both of its sums become -0. The zeros that it is filled up with make them +0, and so the whole.
TEST_P(AmxOrder, FillingIsComputed) {
  std::vector<float> x(96, 0.0f), w(96, 1.0f);
  x[0] = -0x1.8p-126f, x[32] = 0x1.4p-126f;
  for (int k = 64; k < 96; ++k) x[k] = -0x1p-100f, w[k] = 0x1p-100f;
  const float whole = sum_by(isa(), x, w);
  EXPECT_EQ(whole, 0);
  EXPECT_TRUE(std::signbit(whole));
  x.resize(66);
  const float filled = sum_by(isa(), x, w);
  EXPECT_EQ(filled, 0);
  EXPECT_FALSE(std::signbit(filled));
}

// In a network of the type, a probability and a normalised value may be subnormal. Only products flush.
TEST_P(AmxOrder, FlushingStaysInTheProducts) {
  using Packing = cpu::TilePacking<bf16>;
  const auto& kernels = cpu::kernels_of<bf16>(isa());
  constexpr int kLength = 2;
  std::vector<bf16> keys(Packing::Keys::elements(kLength, 1), bf16{});
  keys[Packing::Keys::at(1, 0, 1)] = from_f32<bf16>(-98);
  const bf16 values[] = {from_f32<bf16>(0), from_f32<bf16>(0x1p120f)};
  const float q = 1, gain[] = {0x1p-130f, 0x1p-130f}, bias[] = {0, 0}, x[] = {-1, 1};
  std::vector<float> scores(64), workspace(Packing::workspace(1, 1));
  float out = NAN, normed[2] = {NAN, NAN};
  kernels.attention(&q, 1, 1, keys.data(), values, 1, 1, kLength, scores.data(), 64, &out, workspace.data());
  EXPECT_NEAR(out, std::exp(-98.0) * 0x1p120, 0.01 * std::exp(-98.0) * 0x1p120);  // the probability is below 2^-126
  EXPECT_EQ(sum_by(isa(), {1}, {1}), 1);
  kernels.norm(x, gain, bias, 2, 0, normed);
  EXPECT_EQ(normed[0], -0x1p-130f);
  EXPECT_EQ(normed[1], 0x1p-130f);
}

std::vector<Backend> tile_backends(Type type) {
  std::vector<Backend> rows = cpu_backends(type);
  std::erase_if(rows,
                [&](const Backend& row) { return !cpu::reads_tiles(cpu::choose_isa(row.options.at("isa"), type)); });
  return rows;
}
INSTANTIATE_TEST_SUITE_P(All, AmxOrder, testing::ValuesIn(tile_backends(Type::bf16)), row_name);

// A product of parts in which some numbers are not finite. The rows of these inputs and the panels of these weights are
// those of `ascending`, infinities included, and the others are as if nothing had happened.
template <class Value>
void expect_ascending_if_not_finite(cpu::Isa isa, int kRows) {
  using Tiled = cpu::TilePacking<Value>;
  using Plain = cpu::VectorPacking<Value>;
  constexpr int K = 70, kOutputs = 3 * cpu::kTilePanel + 5, kBadRow = 3, kBadPanel = 1;
  const auto& tiled = cpu::kernels_of<Value>(isa);
  const auto& plain = cpu::kernels_of<Value>(cpu::Isa::portable);
  std::mt19937 random(8);
  auto x = random_values(random, kRows * K, Regime::normal, Type::f16);
  auto w = random_values(random, kOutputs * K, Regime::normal, Type::f16);
  x[0] = 65504, w[0] = 65504;  // whose nearest BF16 is 65536
  const auto by = [&](const auto& kernels, auto packing) {
    using Layout = typename decltype(packing)::Weights;
    std::vector<Value> at(Layout::elements(kOutputs, K), Value{});
    for (int o = 0; o < kOutputs; ++o) {
      for (int k = 0; k < K; ++k) at[Layout::at(o, k, K)] = from_f32<Value>(w[o * K + k]);
    }
    std::vector<float> y(kRows * kOutputs), workspace(decltype(packing)::workspace(kRows, K));
    kernels.linear(x.data(), kRows, K, at.data(), K, kOutputs, y.data(), kOutputs, workspace.data());
    return y;
  };
  const auto before = by(tiled, Tiled());
  for (const float value : before) EXPECT_TRUE(std::isfinite(value));
  EXPECT_NE(before, by(plain, Plain()));
  x[kBadRow * K + 5] = INFINITY, w[(kBadPanel * cpu::kTilePanel + 7) * K + 11] = -INFINITY;
  const auto own = by(tiled, Tiled()), ascending = by(plain, Plain());
  int infinite = 0;
  for (int i = 0; i < kRows * kOutputs; ++i) {
    const bool bad = i / kOutputs == kBadRow || i % kOutputs / cpu::kTilePanel == kBadPanel;
    EXPECT_PRED2(same, own[i], bad ? ascending[i] : before[i]) << i / kOutputs << ", " << i % kOutputs;
    infinite += std::isinf(own[i]);
  }
  EXPECT_GT(infinite, kOutputs / 2);
}

class Amx4Order : public testing::TestWithParam<Backend> {};

TEST_P(Amx4Order, WhatIsNotFiniteTakesTheOrderAscending) {
  const cpu::Isa isa = cpu::choose_isa(GetParam().options.at("isa"), Type::f16);
  for (const int rows : {4, 9}) expect_ascending_if_not_finite<f16>(isa, rows);
}
INSTANTIATE_TEST_SUITE_P(All, Amx4Order, testing::ValuesIn(tile_backends(Type::f16)), row_name);

class SplitOrder : public testing::TestWithParam<Backend> {};

TEST_P(SplitOrder, WhatIsNotFiniteTakesTheOrderAscending) {
  const cpu::Isa isa = cpu::choose_isa(GetParam().options.at("isa"), Type::f32);
  for (const int rows : {4, 9}) expect_ascending_if_not_finite<float>(isa, rows);
}
INSTANTIATE_TEST_SUITE_P(All, SplitOrder, testing::ValuesIn(split_backends()), row_name);

// By kind of processor, whatever this one is.
TEST(AutoIsa, GoesByTheKindOfProcessor) {
  using Vendor = cpu::Processor::Vendor;
  const cpu::Processor old{}, haswell{Vendor::intel, true, false, false, false};
  const cpu::Processor skylake{Vendor::intel, true, true, false, false};
  const cpu::Processor cooper_lake{Vendor::intel, true, true, true, false};
  const cpu::Processor sapphire_rapids{Vendor::intel, true, true, true, true};
  const cpu::Processor zen3{Vendor::amd, true, false, false, false}, zen4{Vendor::amd, true, true, true, false};
  const cpu::Processor other{Vendor::other, true, true, true, false};
  struct {
    const cpu::Processor& processor;
    cpu::Isa bf16, others;
  } const kinds[] = {
      {old, cpu::Isa::portable, cpu::Isa::portable},      {haswell, cpu::Isa::avx2, cpu::Isa::avx2},
      {skylake, cpu::Isa::avx512, cpu::Isa::avx512},      {cooper_lake, cpu::Isa::avx512, cpu::Isa::avx512},
      {sapphire_rapids, cpu::Isa::amx, cpu::Isa::avx512}, {zen3, cpu::Isa::avx2, cpu::Isa::avx2},
      {zen4, cpu::Isa::avx512bf16, cpu::Isa::avx512},     {other, cpu::Isa::avx512, cpu::Isa::avx512}};
#ifndef GPT2RUN_CPU_X86
  GTEST_SKIP() << "this build has the portable kernels only";
#endif
  for (const auto& [processor, bf16, others] : kinds) {
    EXPECT_EQ(cpu::auto_isa(Type::bf16, processor), bf16);
    for (const Type type : {Type::f32, Type::f16}) EXPECT_EQ(cpu::auto_isa(type, processor), others);
    for (const Type type : {Type::f32, Type::f16, Type::bf16})
      EXPECT_TRUE(cpu::runs(cpu::auto_isa(type, processor), processor));
  }
  EXPECT_THROW(cpu::choose_isa("amx", Type::bf16, zen4), Error);
  EXPECT_THROW(cpu::choose_isa("amx", Type::f32, sapphire_rapids), Error);
  EXPECT_EQ(cpu::choose_isa("avx512-amx-order", Type::bf16, zen4), cpu::Isa::avx512_amx_order);
}

TEST(PrefetchDistance, GoesByProcessorTypeAndOrder) {
  using Vendor = cpu::Processor::Vendor;
  for (const Vendor vendor : {Vendor::amd, Vendor::intel, Vendor::other})
    EXPECT_EQ(cpu::prefetch_distance(vendor, Type::f32, cpu::Order::ascending), 0);
  for (const Type type : {Type::f16, Type::bf16}) {
    EXPECT_EQ(cpu::prefetch_distance(Vendor::amd, type, cpu::Order::ascending), 8192);
    EXPECT_EQ(cpu::prefetch_distance(Vendor::intel, type, cpu::Order::ascending), 0);
  }
  EXPECT_EQ(cpu::prefetch_distance(Vendor::amd, Type::bf16, cpu::Order::dot), 8192);
  EXPECT_EQ(cpu::prefetch_distance(Vendor::intel, Type::bf16, cpu::Order::amx), 0);
  EXPECT_EQ(cpu::prefetch_distance(Vendor::intel, Type::f16, cpu::Order::amx4), 2048);
}

}  // namespace
}  // namespace gpt2run::test
