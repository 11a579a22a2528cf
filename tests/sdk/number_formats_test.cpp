// FP8, MXFP4 and NF4: every value of the small formats by their definition, code by code, and values of ml_dtypes.
#include "gpt2run/sdk/number_formats.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace gpt2run {
namespace {

using nlohmann::json;

// The values of the codes from 0 on, ascending, by the definition of a format with `fraction` bits and this bias.
std::vector<float> table(int codes, int fraction, int bias) {
  std::vector<float> values;
  for (int code = 0; code < codes; ++code) {
    const int exponent = code >> fraction, digits = code & ((1 << fraction) - 1);
    values.push_back(exponent == 0
                         ? std::ldexp(static_cast<float>(digits), 1 - bias - fraction)
                         : std::ldexp(static_cast<float>((1 << fraction) + digits), exponent - bias - fraction));
  }
  return values;
}

struct Case {
  const char* name;
  SmallFloat format;
  int codes;  // that are finite and not negative
  int bias;
};
constexpr Case kCases[] = {{"e4m3", kE4m3, 0x7f, 7}, {"e5m2", kE5m2, 0x7c, 15}, {"e2m1", kE2m1, 8, 1}};

TEST(NumberFormats, KeepEveryValueAndRoundToTheNearest) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.name);
    const std::vector<float> values = table(one.codes, one.format.fraction, one.bias);
    EXPECT_EQ(values.back(), one.format.largest);
    for (size_t code = 0; code < values.size(); ++code) {
      const float low = values[code];
      EXPECT_EQ(round_to(one.format, low), low);
      EXPECT_EQ(round_to(one.format, -low), -low);
      if (code + 1 == values.size()) continue;
      const float high = values[code + 1], middle = (low + high) / 2;
      EXPECT_EQ(round_to(one.format, middle), code % 2 == 0 ? low : high) << middle;
      EXPECT_EQ(round_to(one.format, std::nextafter(middle, 0.0f)), low) << middle;
      EXPECT_EQ(round_to(one.format, -std::nextafter(middle, 1e9f)), -high) << middle;
    }
  }
}

TEST(NumberFormats, SaturateAndKeepNanAndTheSignOfZero) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.name);
    for (const float large : {one.format.largest * 1.0001f, 3e38f, INFINITY}) {
      EXPECT_EQ(round_to(one.format, large), one.format.largest);
      EXPECT_EQ(round_to(one.format, -large), -one.format.largest);
    }
    EXPECT_TRUE(std::isnan(round_to(one.format, NAN)));
    EXPECT_TRUE(std::signbit(round_to(one.format, -0.0f)));
    EXPECT_TRUE(std::signbit(round_to(one.format, -1e-45f)));
    EXPECT_EQ(round_to(one.format, 1e-45f), 0.0f);
  }
}

TEST(NumberFormats, AreThoseOfMlDtypes) {
  const json golden = json::parse(std::ifstream(SOURCE_DIR "/tests/golden/quantise/quantise.json"));
  for (const Case& one : kCases) {
    const std::vector<float> values = golden.at(one.name).at("values"), rounded = golden.at(one.name).at("rounded");
    ASSERT_GE(values.size(), 30u);
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_EQ(round_to(one.format, values[i]), rounded[i]) << one.name << " of " << values[i];
  }
}

TEST(NumberFormats, ScaleOfMxIsAPowerOfTwoUnderTheLargestValue) {
  const auto scale = [](float largest) { return mx_scale(std::bit_cast<uint32_t>(largest)); };
  EXPECT_EQ(scale(4), 1.0f);
  EXPECT_EQ(scale(7.99f), 1.0f);
  EXPECT_EQ(scale(8), 2.0f);
  EXPECT_EQ(scale(0.3f), 0x1p-4f);
  EXPECT_EQ(scale(3e38f), 0x1p125f);
  EXPECT_EQ(scale(1e-45f), 0x1p-127f);
  EXPECT_EQ(scale(0), 1.0f);
}

// The values of bitsandbytes were computed in FP32, through quantiles with a handful of roundings.
TEST(NumberFormats, ValuesOfNf4AreTheQuantilesThatDefineIt) {
  const json golden = json::parse(std::ifstream(SOURCE_DIR "/tests/golden/quantise/quantise.json"));
  const std::vector<double> quantiles = golden.at("nf4");
  ASSERT_EQ(quantiles.size(), std::size(kNf4));
  for (size_t i = 0; i < quantiles.size(); ++i) EXPECT_NEAR(double{kNf4[i]}, quantiles[i], 0x1p-22) << i;
}

TEST(NumberFormats, Nf4RoundsToTheNearest) {
  for (size_t i = 0; i < std::size(kNf4); ++i) {
    EXPECT_EQ(round_to_nf4(kNf4[i]), kNf4[i]);
    if (i + 1 == std::size(kNf4)) continue;
    const double middle = (double{kNf4[i]} + double{kNf4[i + 1]}) / 2;
    EXPECT_EQ(round_to_nf4(static_cast<float>(middle - 1e-6)), kNf4[i]);
    EXPECT_EQ(round_to_nf4(static_cast<float>(middle + 1e-6)), kNf4[i + 1]);
  }
  EXPECT_EQ(round_to_nf4(2), 1.0f);
  EXPECT_EQ(round_to_nf4(-2), -1.0f);
}

}  // namespace
}  // namespace gpt2run
