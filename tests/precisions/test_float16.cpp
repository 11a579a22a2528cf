// Conversions of numeric.hpp against arithmetic in double, and those of every instruction set against numeric.hpp.
#include <bit>
#include <random>

#include "backend.hpp"

namespace gpt2run::test {
namespace {

struct Format {
  Type type;
  int digits, least;  // bits of the fraction, smallest normal exponent
  double largest;
};
constexpr Format kF16 = {Type::f16, 10, -14, 65504.0};
const Format kBf16 = {Type::bf16, 7, -126, std::ldexp(255.0, 120)};

// The nearest value, ties to even, by the FPU's own rounding in double. x is a number.
double nearest(const Format& format, float x) {
  if (x == 0 || std::isinf(x)) return x;
  const double unit = std::ldexp(1.0, std::max(std::ilogb(x), format.least) - format.digits);
  const double rounded = std::nearbyint(x / unit) * unit;
  return std::abs(rounded) > format.largest ? std::copysign(INFINITY, x) : rounded;
}

bool is_nearest(const Format& format, float x) {
  const float rounded = round_to(format.type, x);
  if (std::isnan(x)) return std::isnan(rounded);
  return rounded == nearest(format, x) && std::signbit(rounded) == std::signbit(x);
}

// Calls check on floats all over the bits, some thousand to every exponent, and on the ends of the range.
template <class Check>
void for_many_floats(Check check) {
  constexpr uint32_t kStride = 2039;  // odd, so that all low bits occur
  for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += kStride) check(std::bit_cast<float>(uint32_t(bits)));
  for (const float x : {INFINITY, NAN, 0.0f, 0x1p-149f, 0x1p-126f, 0x1.fffffep127f, 65504.0f, 65519.996f, 65520.0f})
    check(x), check(-x);
}

TEST(Numeric, NarrowingIsToTheNearest) {
  for (const Format& format : {kF16, kBf16}) {
    int wrong = 0;
    for_many_floats([&](float x) { wrong += !is_nearest(format, x); });
    EXPECT_EQ(wrong, 0) << name_of(format.type);
  }
}

// Between every two neighbours: the tie and its neighbours on both sides.
TEST(Numeric, TiesGoToEven) {
  for (const Format& format : {kF16, kBf16}) {
    int wrong = 0;
    const uint16_t end = format.type == Type::f16 ? 0x7bff : 0x7f7f;  // the largest number
    for (uint16_t bits = 0; bits < end; ++bits) {
      const auto widen = format.type == Type::f16 ? f32_from_f16 : f32_from_bf16;
      const float low = widen(bits), high = widen(bits + 1);
      const float tie = low + (high - low) / 2;
      for (const float x : {tie, std::nextafter(tie, low), std::nextafter(tie, high)})
        wrong += !is_nearest(format, x) + !is_nearest(format, -x);
      wrong += round_to(format.type, tie) != (bits % 2 == 0 ? low : high);
    }
    EXPECT_EQ(wrong, 0) << name_of(format.type);
  }
}

TEST(Numeric, WideningIsExact) {
  int wrong = 0;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
    const float half = f32_from_f16(static_cast<uint16_t>(bits));
    const double magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                             : exponent == 0 ? std::ldexp(fraction, -24)
                                             : std::ldexp(1024 + fraction, exponent - 25);
    wrong += std::isnan(magnitude) ? !std::isnan(half) : half != (bits & 0x8000 ? -magnitude : magnitude);
    wrong += std::signbit(half) != (bits >= 0x8000);
    const float brain = f32_from_bf16(static_cast<uint16_t>(bits));
    wrong += std::bit_cast<uint32_t>(brain) != bits << 16;
    if (!std::isnan(half)) wrong += f16_from_f32(half) != bits;
    if (!std::isnan(brain)) wrong += bf16_from_f32(brain) != bits;
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Numeric, NanStaysQuietNan) {
  for (const uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fbfffffu, 0x7fc00000u, 0xffffffffu}) {
    const uint16_t half = f16_from_f32(std::bit_cast<float>(bits)), brain = bf16_from_f32(std::bit_cast<float>(bits));
    EXPECT_EQ(half & 0x7e00, 0x7e00);
    EXPECT_EQ(brain & 0x7fc0, 0x7fc0);
    EXPECT_EQ(half >> 15, bits >> 31);
    EXPECT_EQ(brain >> 15, bits >> 31);
  }
}

TEST(Numeric, ElementsMayBeUnalignedAndStrided) {
  const float values[] = {1, 2, 3, 4, 5, 6};
  char bytes[sizeof values + 1];
  std::memcpy(bytes + 1, values, sizeof values);
  const Tensor turned{bytes + 1, Type::f32, 3, 2, 1, 3};
  EXPECT_EQ(at(turned, 0, 1), 4);
  EXPECT_EQ(at(turned, 2, 0), 3);
}

class KernelNumeric : public testing::TestWithParam<Backend> {};

// Every value of the type times one, in a product of one row and in one of many: how many are not that value. The
// hardware's products of BF16 take subnormals as zero.
template <class Value, class Packing>
int wrong_products_by_one(cpu::Isa isa, Packing) {
  using Layout = typename Packing::Weights;
  const auto& kernels = cpu::kernels_of<Value>(isa);
  const bool flushes = isa == cpu::Isa::avx512bf16 || cpu::reads_tiles(isa);
  constexpr int kMany = 2 * cpu::kDirectRows + 1, kOutputs = 64;
  const std::vector<float> ones(kMany, 1.0f);
  std::vector<float> wide(kMany * kOutputs), workspace(Packing::workspace(kMany, 1));
  int wrong = 0;
  for (uint32_t bits = 0; bits < 0x10000; bits += kOutputs) {
    std::vector<Value> values(Layout::elements(kOutputs, 1), Value{});
    for (int o = 0; o < kOutputs; ++o) values[Layout::at(o, 0, 1)] = {static_cast<uint16_t>(bits + o)};
    for (const int rows : {1, kMany}) {
      kernels.linear(ones.data(), rows, 1, values.data(), 1, kOutputs, wide.data(), kOutputs, workspace.data());
      for (int i = 0; i < rows * kOutputs; ++i) {
        float expected = to_f32(Value{static_cast<uint16_t>(bits + i % kOutputs)});
        if (flushes && std::abs(expected) < 0x1p-126f) expected = 0;
        wrong += std::isnan(expected) ? !std::isnan(wide[i]) : wide[i] != expected;
      }
    }
  }
  return wrong;
}

// store() adds a bias: negative zero changes no number. Fifteen at a time, so that the part of a vector is used too.
template <class Value>
void expect_conversions(cpu::Isa isa) {
  const auto& kernels = cpu::kernels_of<Value>(isa);
  constexpr int kCount = 15;
  const std::vector<float> zeros(kCount, -0.0f);
  std::vector<float> batch;
  int wrong = 0;
  for_many_floats([&](float x) {
    if (std::isnan(x)) return;
    batch.push_back(x);
    if (batch.size() < kCount) return;
    Value narrow[kCount];
    kernels.store(batch.data(), zeros.data(), kCount, narrow);
    for (int i = 0; i < kCount; ++i) {
      const Value expected = from_f32<Value>(batch[i]);
      wrong += std::memcmp(&narrow[i], &expected, sizeof expected) != 0;
    }
    batch.clear();
  });
  EXPECT_EQ(wrong, 0);
  with_packing<Value>(isa, [&](auto packing) { wrong += wrong_products_by_one<Value>(isa, packing); });
  EXPECT_EQ(wrong, 0);
}

TEST_P(KernelNumeric, ConvertsAsNumericHpp) {
  const cpu::Isa isa = cpu::choose_isa(GetParam().options.at("isa"), GetParam().type);
  if (GetParam().type == Type::f16) expect_conversions<f16>(isa);
  if (GetParam().type == Type::bf16) expect_conversions<bf16>(isa);
}

TEST_P(KernelNumeric, KeepsNan) {
  if (GetParam().type != Type::f16) GTEST_SKIP() << "one 16-bit type is enough";
  const auto& kernels = cpu::kernels_of<f16>(cpu::choose_isa(GetParam().options.at("isa"), Type::f16));
  const float values[] = {NAN, -NAN, INFINITY, -INFINITY}, zeros[4] = {};
  float gelu[4];
  kernels.activate[static_cast<size_t>(Activation::gelu_tanh)](values, zeros, 4, gelu);
  EXPECT_TRUE(std::isnan(gelu[0]));
  EXPECT_TRUE(std::isnan(gelu[1]));
  EXPECT_EQ(gelu[2], INFINITY);
  EXPECT_TRUE(std::isnan(gelu[3]));  // -infinity times (1 - 1), as the formula says
}
INSTANTIATE_TEST_SUITE_P(All, KernelNumeric, testing::ValuesIn(rows_of(cpu_backends(), {Type::f16, Type::bf16})),
                         row_name);

// The orders as docs/numerics.md defines them, for numbers of a size that nothing is flushed.
// `ascending`: K ascending in blocks of 64, each from zero, the blocks added one after another.
float ascending_sum(const float* x, const float* w, int K) {
  float total = 0;
  for (int begin = 0; begin < K; begin += 64) {
    float block = 0;
    for (int k = begin; k < std::min(begin + 64, K); ++k) block = std::fma(x[k], w[k], block);
    total = begin == 0 ? block : total + block;
  }
  return total;
}

// `amx`: in blocks of 32, products of even and of odd index apart. `amx-4`: four such blocks one after another, of
// what BF16 leaves of the numbers and of what it holds.
float tile_sum(const float* x, const float* w, int K, bool split) {
  const auto part = [&](float value, bool high) {
    const float nearest = round_to(Type::bf16, value);
    return !split ? value : high ? nearest : value - nearest;
  };
  float total = 0;
  for (int begin = 0; begin < K; begin += 32) {
    for (int product = split ? 0 : 3; product < 4; ++product) {
      float chain[2] = {0, 0};
      for (int k = begin; k < std::min(begin + 32, K); ++k)
        chain[k % 2] = std::fma(part(x[k], product / 2), part(w[k], product % 2), chain[k % 2]);
      total += chain[0] + chain[1];
    }
  }
  return total;
}

float sum_of(cpu::Isa isa, Type type, const float* x, const float* w, int K) {
  return cpu::reads_tiles(isa) ? tile_sum(x, w, K, type == Type::f16) : ascending_sum(x, w, K);
}

class KernelProduct : public testing::TestWithParam<Backend> {};

template <class Value, class Packing>
void expect_rows_alone(cpu::Isa isa, Packing, int rows, int K) {
  using Layout = typename Packing::Weights;
  const auto& kernels = cpu::kernels_of<Value>(isa);
  constexpr int kOutputs = 2 * cpu::kPanel + 2;
  std::mt19937 random(7);
  const auto draw = [&] { return to_f32(from_f32<Value>(static_cast<float>(random()) * 0x1p-32f - 0.5f)); };
  std::vector<float> x(size_t(rows) * K), w(size_t(kOutputs) * K), together(size_t(rows) * kOutputs);
  std::vector<float> workspace(Packing::workspace(rows, K)), alone(kOutputs);
  for (float& value : x) value = draw();
  for (float& value : w) value = draw();
  std::vector<Value> packed(Layout::elements(kOutputs, K), Value{});
  for (int o = 0; o < kOutputs; ++o)
    for (int k = 0; k < K; ++k) packed[Layout::at(o, k, K)] = from_f32<Value>(w[size_t(o) * K + k]);
  kernels.linear(x.data(), rows, K, packed.data(), K, kOutputs, together.data(), kOutputs, workspace.data());
  int other = 0, wrong = 0;
  for (int r = 0; r < rows; ++r) {
    const float *own = &x[size_t(r) * K], *found = &together[size_t(r) * kOutputs];
    kernels.linear(own, 1, K, packed.data(), K, kOutputs, alone.data(), kOutputs, workspace.data());
    other += std::memcmp(alone.data(), found, kOutputs * sizeof(float)) != 0;
    for (int o = r % 7; o < kOutputs && isa != cpu::Isa::avx512bf16; o += 7)
      wrong += found[o] != sum_of(isa, cpu::kType<Value>, own, &w[size_t(o) * K], K);
  }
  for (const int few : {2, 4, 6, 7, 8, 13, 20, cpu::kFewRows, cpu::kFewRows + 1}) {
    if (few > rows) continue;
    std::vector<float> found(size_t(few) * kOutputs);
    kernels.linear(x.data(), few, K, packed.data(), K, kOutputs, found.data(), kOutputs, workspace.data());
    other += std::memcmp(found.data(), together.data(), found.size() * sizeof(float)) != 0;
  }
  EXPECT_EQ(other, 0) << "rows that are not as alone";
  EXPECT_EQ(wrong, 0) << "sums in another order";
}

TEST_P(KernelProduct, RowsTogetherAreRowsAlone) {
  const cpu::Isa isa = cpu::choose_isa(GetParam().options.at("isa"), GetParam().type);
  const auto expect = [&]<class Value>(Value) {
    with_packing<Value>(isa, [&](auto packing) {
      // More rows, inputs and outputs than any blocking of the kernels takes at a time, and none of them a multiple of
      // it. Then few rows with so many inputs that they are packed in segments.
      expect_rows_alone<Value>(isa, packing, cpu::kPackedRows + 53, 2 * cpu::kSegment + 71);
      expect_rows_alone<Value>(isa, packing, cpu::kFewRows, cpu::kPackedElements / cpu::kFewRows + 3);
    });
  };
  if (GetParam().type == Type::f32) expect(float());
  if (GetParam().type == Type::f16) expect(f16());
  if (GetParam().type == Type::bf16) expect(bf16());
}
INSTANTIATE_TEST_SUITE_P(All, KernelProduct, testing::ValuesIn(cpu_backends()), row_name);

// Sets of one order give the same bits: each table says what it was compiled for, and the log what the table says.
TEST(Isa, EveryNameIsItsOwnTable) {
  PluginLog::instance().take();
  for (const Backend& row : cpu_backends()) {
    const std::string& name = row.options.at("isa");
    make_precision(row);
    EXPECT_EQ(PluginLog::instance().take(), std::vector<std::string>{"0 cpu kernels: " + name}) << row;
  }
  for (const Type type : {Type::f32, Type::f16, Type::bf16}) {
    make_plugin<Precision>(Kind::precision, std::string("cpu-") + name_of(type), {{"isa", "auto"}});
    const std::string widest = cpu::kIsaNames[static_cast<int>(cpu::choose_isa("auto", type))];
    EXPECT_EQ(PluginLog::instance().take(), std::vector<std::string>{"0 cpu kernels: " + widest}) << name_of(type);
  }
}

// A forced set is the one that runs: the dot product of BF16 flushes a subnormal, the AVX-512 kernels keep it.
TEST(Isa, ForcedDotProductIsTheOneThatRuns) {
  if (!cpu::runs(cpu::Isa::avx512bf16)) GTEST_SKIP() << "this machine has no AVX512-BF16";
  const float one = 1;
  std::vector<bf16> w(cpu::VectorLayout<bf16>::elements(1, 1), bf16{});
  w[0] = {1};  // 2^-133
  std::vector<float> workspace(cpu::product_workspace(1, 1));
  float dot = -1, wide = -1;
  cpu::kernels_of<bf16>(cpu::Isa::avx512bf16).linear(&one, 1, 1, w.data(), 1, 1, &dot, 1, workspace.data());
  cpu::kernels_of<bf16>(cpu::Isa::avx512).linear(&one, 1, 1, w.data(), 1, 1, &wide, 1, workspace.data());
  EXPECT_EQ(dot, 0);
  EXPECT_EQ(wide, 0x1p-133f);
}

TEST(Isa, UnknownOrMissingIsAnErrorThatNamesIt) {
  for (const std::string name : {"avx2", "avx512", "amx"}) {
    if (name == "avx2" && cpu::runs(cpu::Isa::avx2)) continue;
    if (name == "avx512" && cpu::runs(cpu::Isa::avx512)) continue;
    try {
      make_plugin<Precision>(Kind::precision, "cpu-fp32", {{"isa", name}});
      ADD_FAILURE() << name << " was accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace gpt2run::test
