// The quantisers of the int8 and int4 contracts: against NumPy, against a slow second formulation in double, and their
// promises at the edges.
#include "gpt2run/sdk/quantise.hpp"

#include <gtest/gtest.h>

#include <cfenv>
#include <fstream>
#include <nlohmann/json.hpp>

#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/random.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using Row = std::vector<float>;

struct Int8Row {
  explicit Int8Row(const Row& row) : codes(row.size()), scale(quantise_int8(row, codes.data())) {}
  std::vector<int8_t> codes;
  float scale;
};

struct Int4Row {
  explicit Int4Row(const Row& row)
      : codes(row.size()),
        groups((row.size() + kInt4Group - 1) / kInt4Group),
        scale(quantise_int4(row, codes.data(), groups.data())) {}
  int8_t weight(size_t i) const { return int4_weight(groups[i / kInt4Group], codes[i]); }
  std::vector<uint8_t> codes;
  std::vector<Int4Group> groups;
  float scale;
};

// Values in (-1, 1), more of them near 0, times 2^exponent.
Row random_row(uint64_t seed, size_t size, int exponent) {
  Row row(size);
  for (size_t i = 0; i < size; ++i) {
    const uint64_t bits = random_bits(seed, 7, static_cast<int32_t>(i));
    const auto uniform = static_cast<float>(static_cast<int32_t>(bits >> 40) - (1 << 23)) * 0x1p-23f;
    row[i] = std::ldexp(uniform * std::abs(uniform), exponent);
  }
  return row;
}

// A double that is exact, or the quotient of two floats, rounded to FP32 once: 53 >= 2 x 24 + 2.
float once(double x) { return static_cast<float>(x); }

float up(float x) {
  int exponent;
  const double fraction = std::frexp(double{x}, &exponent);  // in [0.5, 1)
  return static_cast<float>(std::ldexp(std::ceil(std::ldexp(fraction, 16)), exponent - 16));
}

Int8Row slow_int8(const Row& row) {
  Int8Row out(Row(row.size()));
  double largest = 0;
  for (const float x : row) largest = std::max(largest, std::abs(double{x}));
  out.scale = largest < 0x1p-100 ? 0 : up(once(largest / 127));
  const float inverse = out.scale > 0 ? once(1 / double{out.scale}) : 0;
  for (size_t i = 0; i < row.size(); ++i)
    out.codes[i] = static_cast<int8_t>(std::nearbyint(once(double{row[i]} * inverse)));
  return out;
}

Int4Row slow_int4(const Row& row) {
  Int4Row out(Row(row.size()));
  const auto bounds = [&](size_t group) {
    float low = 0, high = 0;
    for (size_t i = group * 32; i < std::min(row.size(), group * 32 + 32); ++i)
      low = std::fmin(low, row[i]), high = std::fmax(high, row[i]);
    return std::pair(low, once(double{once(double{high} - low)} / 15));
  };
  float widest = 0;
  for (size_t g = 0; g < out.groups.size(); ++g) widest = std::fmax(widest, bounds(g).second);
  out.scale = widest < 0x1p-100f ? 0 : up(widest / 8);
  for (size_t i = 0; i < row.size() && out.scale > 0; ++i) {
    const auto [low, step] = bounds(i / 32);
    const double factor = std::clamp(std::nearbyint(double{once(double{step} / out.scale)}), 1.0, 8.0);
    const double unit = out.scale * factor;
    const double zero = std::clamp(std::nearbyint(double{once(-low / unit)}), 0.0, 15.0);
    out.groups[i / 32] = {static_cast<int>(factor), static_cast<int>(zero)};
    out.codes[i] = static_cast<uint8_t>(std::clamp(std::nearbyint(double{once(row[i] / unit)}) + zero, 0.0, 15.0));
  }
  return out;
}

void expect_equal(const Int8Row& a, const Int8Row& b) {
  EXPECT_EQ(a.scale, b.scale);
  EXPECT_EQ(a.codes, b.codes);
}

void expect_equal(const Int4Row& a, const Int4Row& b) {
  EXPECT_EQ(a.scale, b.scale);
  EXPECT_EQ(a.codes, b.codes);
  for (size_t g = 0; g < a.groups.size(); ++g) EXPECT_EQ(a.groups[g].byte(), b.groups[g].byte()) << "group " << g;
}

TEST(Quantise, GivesTheCodesOfNumpy) {
  const json golden = json::parse(std::ifstream(SOURCE_DIR "/tests/golden/quantise/quantise.json"));
  ASSERT_GE(golden.at("int8").size(), 8u);
  for (const json& one : golden.at("int8")) {
    const Int8Row row(one.at("row").get<Row>());
    EXPECT_EQ(row.scale, one.at("scale").get<float>()) << one.at("about");
    EXPECT_EQ(row.codes, one.at("codes").get<std::vector<int8_t>>()) << one.at("about");
  }
  ASSERT_GE(golden.at("int4").size(), 7u);
  for (const json& one : golden.at("int4")) {
    const Int4Row row(one.at("row").get<Row>());
    EXPECT_EQ(row.scale, one.at("scale").get<float>()) << one.at("about");
    EXPECT_EQ(row.codes, one.at("codes").get<std::vector<uint8_t>>()) << one.at("about");
    for (size_t g = 0; g < row.groups.size(); ++g) {
      EXPECT_EQ(row.groups[g].factor, one.at("factors").at(g)) << one.at("about");
      EXPECT_EQ(row.groups[g].zero, one.at("zeros").at(g)) << one.at("about");
    }
  }
}

TEST(Quantise, GivesTheCodesOfTheSlowFormulation) {
  ASSERT_EQ(std::fegetround(), FE_TONEAREST);
  for (int exponent = -104; exponent <= 127; ++exponent) {
    for (const size_t size : {1, 31, 33, 100}) {
      const Row row = random_row(static_cast<uint64_t>(exponent + 200) * 128 + size, size, exponent);
      SCOPED_TRACE("2^" + std::to_string(exponent) + ", " + std::to_string(size) + " values");
      expect_equal(Int8Row(row), slow_int8(row));
      if (exponent < 126) expect_equal(Int4Row(row), slow_int4(row));  // a range of two rows' sizes
    }
  }
}

int most_of(const std::vector<int8_t>& codes) {
  int most = 0;
  for (const int8_t code : codes) most = std::max(most, std::abs(code));
  return most;
}

TEST(Quantise, ChangesNothingTheSecondTime) {
  for (int exponent = -80; exponent <= 128; ++exponent) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      const Row row = random_row(seed * 1000 + static_cast<uint64_t>(exponent + 100), 1 + seed, exponent);
      const Int8Row first(row);
      ASSERT_EQ(most_of(first.codes), kMostInt8) << "seed " << seed;
      Row values(row.size());
      for (size_t i = 0; i < row.size(); ++i) {
        values[i] = first.scale * first.codes[i];
        ASSERT_EQ(double{values[i]}, double{first.scale} * first.codes[i]) << "a product that is not exact";
        // Half a step, and 127 for the roundings of the inverse and of the product with it.
        ASSERT_LE(std::abs(double{values[i]} - row[i]), double{first.scale} * (0.5 + 128 * 0x1p-23));
      }
      expect_equal(Int8Row(values), first);
    }
  }
}

TEST(Quantise, NegativeValuesHaveTheNegativeCodes) {
  Row row = random_row(5, 200, 3);
  const Int8Row plus(row);
  for (float& x : row) x = -x;
  const Int8Row minus(row);
  EXPECT_EQ(plus.scale, minus.scale);
  for (size_t i = 0; i < row.size(); ++i) EXPECT_EQ(plus.codes[i], -minus.codes[i]);
}

TEST(Quantise, TiesGoToTheEvenCode) {
  Row row = {127};
  for (int i = -127; i < 127; ++i) row.push_back(static_cast<float>(i) + 0.5f);
  const Int8Row quantised(row);
  EXPECT_EQ(quantised.scale, 1.0f);
  for (int i = -127; i < 127; ++i) EXPECT_EQ(quantised.codes[static_cast<size_t>(i + 128)], i % 2 == 0 ? i : i + 1);
  for (int quarters = -(1 << 20); quarters <= 1 << 20; quarters += 1) {
    const float x = static_cast<float>(quarters) / 4;
    ASSERT_EQ(nearest_even(x), static_cast<int32_t>(std::nearbyint(x))) << x;
  }
  EXPECT_EQ(nearest_even(0x1p22f - 1), (1 << 22) - 1);
  EXPECT_EQ(nearest_even(1 - 0x1p22f), 1 - (1 << 22));
}

// The product with the inverse is rounded to FP32 before it is rounded to an integer. So a product that is only nearest
// to a tie in FP32 is one.
TEST(Quantise, ProductsAreRoundedBeforeTheyBecomeIntegers) {
  int ties = 0;
  for (const float most : {1.0f, 0.3f, 7.7f, 1e-20f}) {
    const float inverse = inverse_scale(int8_scale(std::bit_cast<uint32_t>(most)));
    Row row = {most};
    std::vector<int8_t> expected = {127};
    for (int k = 0; k < 126; ++k) {
      const float tie = static_cast<float>(k) + 0.5f;
      float x = std::nextafter(std::nextafter(once(tie / double{inverse}), 0.0f), 0.0f);
      for (int i = 0; i < 5; ++i, x = std::nextafter(x, most)) {
        const double product = double{x} * inverse;
        if (once(product) != tie || product == tie) continue;
        row.push_back(x), expected.push_back(static_cast<int8_t>(k + k % 2)), ++ties;
      }
    }
    EXPECT_EQ(Int8Row(row).codes, expected);
  }
  EXPECT_GE(ties, 100);
}

TEST(Quantise, RowsThatAreTooSmallAreZeros) {
  const float least = 0x1p-100f, below = std::nextafter(least, 0.0f);
  EXPECT_EQ(Int8Row({below, -below}).scale, 0.0f);
  EXPECT_FALSE(std::signbit(Int8Row({-0.0f}).scale));
  EXPECT_EQ(Int8Row({below, -below}).codes, (std::vector<int8_t>{0, 0}));
  EXPECT_EQ(Int8Row({1e-45f, least}).codes, (std::vector<int8_t>{0, 127}));
  EXPECT_EQ(Int8Row({}).scale, 0.0f);
  EXPECT_EQ(Int4Row({15 * below}).scale, 0.0f);
  EXPECT_EQ(Int4Row({15 * below}).weight(0), 0);
  EXPECT_EQ(Int4Row({15 * least}).scale, least / 8);
  EXPECT_EQ(Int4Row({15 * least}).weight(0), 120);
}

TEST(Quantise, InfinityAndNanGiveAScaleThatIsNan) {
  const auto all_ones = std::bit_cast<float>(0x7fffffff), one_more = std::bit_cast<float>(0x7f800001);
  for (const float bad : {INFINITY, -INFINITY, NAN, -NAN, all_ones, -all_ones, one_more}) {
    const Row row = {1, 2, bad, 3};
    const Int8Row int8(row);
    EXPECT_TRUE(std::isnan(int8.scale));
    EXPECT_EQ(int8.codes, (std::vector<int8_t>{0, 0, 0, 0}));
    EXPECT_TRUE(std::isnan(int8.scale * int8.codes[0]));
    const Int4Row int4(row);
    EXPECT_TRUE(std::isnan(int4.scale));
    EXPECT_EQ(int4.codes, (std::vector<uint8_t>{0, 0, 0, 0}));
  }
  EXPECT_TRUE(std::isnan(Int4Row({3e38f, -3e38f}).scale)) << "a range that FP32 does not hold";
  EXPECT_TRUE(std::isfinite(Int8Row({3e38f, -3e38f}).scale));
}

TEST(Quantise, ScalesAreRoundedUpTo16Bits) {
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    const auto exponent = static_cast<uint32_t>(seed % 200 + 20);
    const auto x = std::bit_cast<float>(exponent << 23 | static_cast<uint32_t>(random_bits(3, seed, 0) >> 41));
    const float rounded = rounded_up_to_16_bits(x);
    ASSERT_EQ(rounded, up(x));
    ASSERT_EQ(rounded_up_to_16_bits(rounded), rounded);
  }
  EXPECT_EQ(rounded_up_to_16_bits(std::nextafter(2.0f, 0.0f)), 2.0f);
}

TEST(Quantise, Int4WeightsAreInt8WeightsOfAtMost120) {
  for (int byte = 0; byte < 128; ++byte) {
    const Int4Group group = Int4Group::of(static_cast<uint8_t>(byte));
    EXPECT_EQ(group.byte(), byte);
    EXPECT_TRUE(group.factor >= 1 && group.factor <= 8 && group.zero >= 0 && group.zero <= 15);
    for (int code = 0; code <= kMostInt4; ++code) {
      EXPECT_EQ(int4_weight(group, code), group.factor * (code - group.zero));
      EXPECT_LE(std::abs(int4_weight(group, code)), 120);
    }
  }
}

// A value is at most half a step from its code's, unless it is cut off: the step may be smaller than the group needs by
// half a scale, over 15 steps, and the zero point is rounded by half a step.
TEST(Quantise, Int4ValuesAreNear) {
  for (int exponent = -90; exponent <= 120; ++exponent) {
    const Row row = random_row(static_cast<uint64_t>(exponent + 100), 200, exponent);
    const Int4Row quantised(row);
    for (size_t i = 0; i < row.size(); ++i) {
      const double scale = quantised.scale, step = scale * quantised.groups[i / 32].factor;
      ASSERT_EQ(double{quantised.scale * quantised.weight(i)}, scale * quantised.weight(i));
      ASSERT_LE(std::abs(scale * quantised.weight(i) - row[i]), (step + 7.5 * scale) * (1 + 0x1p-20)) << i;
    }
  }
}

// What a file holds in this form is read as the quantiser meant it.
TEST(Quantise, TensorsOfInt4AreReadAsTheyWereQuantised) {
  const Row row = random_row(9, 80, -3);
  const Int4Row quantised(row);
  std::vector<uint8_t> pairs(40), groups;
  for (size_t i = 0; i < row.size(); ++i)
    pairs[i / 2] = static_cast<uint8_t>(pairs[i / 2] | quantised.codes[i] << 4 * (i % 2));
  for (const Int4Group& group : quantised.groups) groups.push_back(group.byte());
  const Tensor tensor{pairs.data(), Type::u4, 1, 80, 80, 1, &quantised.scale, groups.data(), kInt4Group};
  for (int64_t i = 0; i < 80; ++i)
    EXPECT_EQ(at(tensor, 0, i), quantised.scale * quantised.weight(static_cast<size_t>(i)));
}

TEST(Quantise, OutputsAreScaledFromLeftToRight) {
  EXPECT_EQ(int8_output(33554433, 3, 0.1f), 33554432.0f * 3 * 0.1f);
  EXPECT_TRUE(std::isnan(int8_output(0, 1, NAN)));
  EXPECT_EQ(int8_output(127 * 127 * 3072, 0x1p-100f, 0x1p-20f), 127 * 127 * 3072 * 0x1p-120f);
  const float small = 0x1.8p-80f;  // with the scales first the product would be rounded as a subnormal number
  EXPECT_EQ(int8_output(1 << 20, small, 0x1.000002p-60f), (0x1p20f * small) * 0x1.000002p-60f);
  EXPECT_NE(int8_output(1 << 20, small, 0x1.000002p-60f), 0x1p20f * (small * 0x1.000002p-60f));
}

}  // namespace
}  // namespace gpt2run
