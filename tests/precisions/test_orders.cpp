// Orders of sums on the CPU: the instruction sets that share an order give the same bits, kernel by kernel and as whole
// networks, whatever floating-point mode the calling thread is in.
#include <bit>
#include <random>

#include "activations.hpp"
#include "backend.hpp"
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

template <class Value>
std::vector<Value> packed(std::mt19937& random, int outputs, int K, Regime regime) {
  std::vector<Value> w(cpu::packed_elements<Value>(outputs, K));
  for (int o = 0; o < outputs; ++o) {
    for (int k = 0; k < K; ++k)
      w[cpu::packed_at<Value>(o, k, K)] = from_f32<Value>(random_value(random, regime, cpu::kType<Value>));
  }
  return w;
}

// What every kernel gives for these seeded inputs, one after another.
template <class Value>
std::vector<float> outputs_of(const cpu::Kernels<Value>& kernels, Regime regime) {
  constexpr Type type = cpu::kType<Value>;
  std::mt19937 random(7);
  std::vector<float> all;
  const auto keep = [&](const std::vector<float>& values) { all.insert(all.end(), values.begin(), values.end()); };
  struct {
    int rows, K, outputs;
  } const shapes[] = {{1, 1, 1}, {1, 64, 64}, {2, 65, 130}, {7, 100, 67}, {61, 300, 100}, {300, 401, 64}};
  for (const auto& [rows, K, outputs] : shapes) {
    const auto x = random_values(random, size_t(rows) * K, regime, type);
    const auto w = packed<Value>(random, outputs, K, regime);
    std::vector<float> y(size_t(rows) * outputs), workspace(cpu::product_workspace(rows, K));
    kernels.linear(x.data(), rows, K, w.data(), K, outputs, y.data(), outputs, workspace.data());
    keep(y);
  }
  for (const int D : {1, 26, 64}) {
    constexpr int kRows = 5, kLength = 40, kPositions = kLength + kRows - 1;
    const auto q = random_values(random, size_t(kRows) * D, regime, type);
    const auto keys = packed<Value>(random, kPositions, D, regime);
    std::vector<Value> values(size_t(kPositions) * D);
    for (Value& value : values) value = from_f32<Value>(random_value(random, regime, type));
    const int64_t stride = cpu::padded(kPositions, cpu::kPanel);
    std::vector<float> scores(kRows * stride), out(size_t(kRows) * D), workspace(cpu::product_workspace(kRows, D));
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

std::vector<cpu::Isa> ascending_isas() {
  std::vector<cpu::Isa> isas;
  for (const cpu::Isa isa : {cpu::Isa::portable, cpu::Isa::avx2, cpu::Isa::avx512}) {
    if (cpu::runs(isa)) isas.push_back(isa);
  }
  return isas;
}

template <class Value>
void expect_equal_kernels() {
  for (const Regime regime : kRegimes) {
    const auto expected = outputs_of(cpu::kernels_of<Value>(cpu::Isa::portable), regime);
    for (const cpu::Isa isa : ascending_isas()) {
      const auto own = outputs_of(cpu::kernels_of<Value>(isa), regime);
      ASSERT_EQ(own.size(), expected.size());
      int64_t wrong = 0;
      for (size_t i = 0; i < own.size(); ++i) wrong += !same(own[i], expected[i]);
      EXPECT_EQ(wrong, 0) << cpu::kIsaNames[int(isa)] << ", " << name_of(cpu::kType<Value>) << ", regime "
                          << int(regime);
    }
  }
}

TEST(Ascending, EveryKernelGivesTheSameBitsInEverySet) {
  expect_equal_kernels<float>();
  expect_equal_kernels<f16>();
  expect_equal_kernels<bf16>();
}

const char* const kModels[] = {"synthetic:L=2,C=52,H=2,F=300,V=97,T=80,std=0.2,seed=7",
                               "synthetic:L=2,C=40,H=2,F=108,V=61,T=80,std=0.3,seed=7,activation=gelu_erf",
                               "synthetic:L=1,C=96,H=3,F=200,V=301,T=80,std=0.1,outliers=1,seed=4,scale_by_layer=1"};

std::vector<float> model_logits(const char* model, const std::string& isa, Type type) {
  const auto checkpoint = make_plugin<Loader>(Kind::loader, "synthetic")->open(model);
  return logits_of({isa, std::string("cpu-") + name_of(type), {{"isa", isa}}, type}, *checkpoint,
                   some_tokens(67, checkpoint->config().V));
}

TEST(Ascending, LogitsAreTheSameInEverySet) {
  for (const char* model : kModels) {
    for (const Type type : {Type::f32, Type::f16, Type::bf16}) {
      const auto expected = model_logits(model, "portable", type);
      for (const float logit : expected) ASSERT_TRUE(std::isfinite(logit));
      for (const cpu::Isa isa : ascending_isas()) {
        const auto own = model_logits(model, cpu::kIsaNames[int(isa)], type);
        ASSERT_EQ(own.size(), expected.size());
        EXPECT_EQ(std::memcmp(own.data(), expected.data(), own.size() * sizeof(float)), 0)
            << cpu::kIsaNames[int(isa)] << " " << name_of(type) << " " << model;
      }
    }
  }
}

#if defined(__SSE2__)
// Flushing of subnormals, and rounding down: what a program may have left on its thread.
class CallersMode : public testing::TestWithParam<Backend> {};

TEST_P(CallersMode, ChangesNoBitAndIsKept) {
  constexpr uint32_t kModes[] = {0x9fc0, 0x3f80, 0xffc0};
  const auto checkpoint = make_plugin<Loader>(Kind::loader, "synthetic")->open(kModels[0]);
  const auto tokens = some_tokens(20, checkpoint->config().V);
  const uint32_t before = __builtin_ia32_stmxcsr();
  for (const int threads : {1, 2}) {
    const auto run = [&] {
      const auto session = make_precision(GetParam())->open(*checkpoint, limits_for(*checkpoint, 1, threads));
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
INSTANTIATE_TEST_SUITE_P(All, CallersMode, testing::ValuesIn(cpu_backends()), row_name);
#endif

}  // namespace
}  // namespace gpt2run::test
