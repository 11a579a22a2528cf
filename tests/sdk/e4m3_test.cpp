// The rounding of docs/examples/precision-e4m3.cpp against a table of the format, code by code.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "../../docs/examples/precision-e4m3.cpp"

namespace gpt2run {
namespace {

// The values of the codes 0x00 to 0x7e, ascending: exponent bias 7, subnormals in steps of 2^-9. 0x7f is NaN.
std::vector<float> table() {
  std::vector<float> values;
  for (int code = 0; code <= 0x7e; ++code) {
    const int exponent = code >> 3, fraction = code & 7;
    values.push_back(exponent == 0 ? std::ldexp(static_cast<float>(fraction), -9)
                                   : std::ldexp(static_cast<float>(8 + fraction), exponent - 10));
  }
  return values;
}

float rounded(float x) {
  static const MyE4m3Precision ops;
  return ops.round(Point::gelu, x);
}

TEST(E4m3, TableHasTheValuesOfTheFormat) {
  const std::vector<float> values = table();
  EXPECT_EQ(values[0x01], 0.001953125f);
  EXPECT_EQ(values[0x07], 0.013671875f);
  EXPECT_EQ(values[0x08], 0.015625f);
  EXPECT_EQ(values[0x38], 1.0f);
  EXPECT_EQ(values[0x7e], 448.0f);
}

TEST(E4m3, KeepsEveryValueOfTheFormat) {
  for (const float value : table()) {
    EXPECT_EQ(rounded(value), value);
    EXPECT_EQ(rounded(-value), -value);
  }
  EXPECT_TRUE(std::signbit(rounded(-0.0f)));
}

TEST(E4m3, RoundsToTheNearestAndToTheEvenOfTwo) {
  const std::vector<float> values = table();
  for (size_t code = 0; code + 1 < values.size(); ++code) {
    const float low = values[code], high = values[code + 1], middle = (low + high) / 2;
    EXPECT_EQ(rounded(middle), code % 2 == 0 ? low : high) << middle;
    EXPECT_EQ(rounded(std::nextafter(middle, 0.0f)), low) << middle;
    EXPECT_EQ(rounded(-std::nextafter(middle, 1e9f)), -high) << middle;
  }
  EXPECT_EQ(rounded(1e-45f), 0.0f);
  EXPECT_EQ(rounded(3.4e38f), 448.0f);
}

TEST(E4m3, HasNoInfinityAndKeepsNan) {
  EXPECT_EQ(rounded(449), 448.0f);
  EXPECT_EQ(rounded(INFINITY), 448.0f);
  EXPECT_EQ(rounded(-INFINITY), -448.0f);
  EXPECT_TRUE(std::isnan(rounded(NAN)));
}

}  // namespace
}  // namespace gpt2run
